#include "monitor/doctor/report.hpp"

#include <gtest/gtest.h>
#include <set>
#include <sstream>

#include "monitor/doctor/fake_host.hpp"

namespace {

std::vector<Section> example() {
    return {{"vm",
             "every VM",
             {{"kernel", {Verdict::kOk, "Linux 6.1"}},
              {"seccomp", {Verdict::kFail, "no \"filters\"", "another kernel"}}}},
            {"net", "network", {{"tun", {Verdict::kSkip, "not for you"}}}}};
}

TEST(DoctorReport, IsALineForEachFinding) {
    EXPECT_EQ(as_text(example()),
              "every VM\n"
              "  ok    kernel           Linux 6.1\n"
              "  fail  seccomp          no \"filters\"; another kernel\n"
              "\n"
              "network\n"
              "  skip  tun              not for you\n");
}

TEST(DoctorReport, IsTheSameAsJson) {
    EXPECT_EQ(as_json(example()),
              R"({"can_run":false,"sections":[{"name":"vm","title":"every VM","checks":[)"
              R"({"name":"kernel","verdict":"ok","found":"Linux 6.1","remedy":""},)"
              R"({"name":"seccomp","verdict":"fail","found":"no \"filters\"",)"
              R"("remedy":"another kernel"}]},{"name":"net","title":"network","checks":[)"
              R"({"name":"tun","verdict":"skip","found":"not for you","remedy":""}]}]})"
              "\n");
}

TEST(DoctorReport, GoesOnBelowWhereItIsTooWide) {
    std::string words;
    for (int i = 0; i < 60; ++i) words += "word ";
    const std::string text = as_text({{"x", "x", {{"check", {Verdict::kOk, words}}}}});
    std::istringstream lines(text);
    size_t count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
        EXPECT_LE(line.size(), kReportColumns) << line;
        EXPECT_FALSE(line.ends_with(' ')) << line;
    }
    EXPECT_EQ(count, 5U);
}

TEST(DoctorReport, SaysWhetherThereIsAny) {
    EXPECT_TRUE(has(example(), Verdict::kFail));
    EXPECT_FALSE(has(example(), Verdict::kWarn));
}

TEST(DoctorReport, HasEachCheckOnceAndNamesThatFitTheColumn) {
    const FakeHost fake;
    std::set<std::string> names;
    for (const Section& section : examine({HostTree(fake.root()), fake.answers})) {
        EXPECT_FALSE(section.findings.empty()) << section.name;
        for (const auto& [check, finding] : section.findings) {
            EXPECT_TRUE(names.insert(check).second) << check;
            EXPECT_LE(std::string_view(check).size(), 15U) << check;
            EXPECT_FALSE(finding.found.empty()) << check;
        }
    }
}

TEST(DoctorReport, PrintsNoControlCharacters) {
    const FakeHost fake;
    fake.write("proc/swaps", "Filename\n/swap\x1b[2J file 1\n");
    const auto sections = examine({HostTree(fake.root()), fake.answers});
    EXPECT_EQ(as_text(sections).find('\x1b'), std::string::npos);
    EXPECT_NE(as_text(sections).find("/swap?[2J"), std::string::npos);
}

}  // namespace
