#include "monitor/process/help.hpp"

#include <gtest/gtest.h>
#include <sstream>

#include "base/flag_help.hpp"

namespace {

std::vector<std::string> lines_of(const std::string& page) {
    std::vector<std::string> lines;
    std::istringstream stream(page);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

TEST(Help, APageFitsAScreen) {
    constexpr size_t kMostLines = 50;
    constexpr size_t kMostColumns = 80;
    for (const std::string_view subject : help_subjects()) {
        const auto lines = lines_of(help_page(subject));
        EXPECT_GT(lines.size(), 5U) << subject;
        EXPECT_LE(lines.size(), kMostLines) << subject;
        for (const std::string& line : lines) EXPECT_LE(line.size(), kMostColumns) << line;
    }
    EXPECT_LE(lines_of(help_page("")).size(), 24U);
}

TEST(Help, ADoorsPageHasEachOfItsFlagsAndNoOther) {
    for (const Flag& flag : all_flags()) {
        const std::string line = "\n  " + flag_form(flag);
        EXPECT_EQ(help_page("run").find(line) != std::string::npos, (flag.commands & kRunDoor) != 0)
            << flag.name;
        EXPECT_EQ(help_page("api").find(line) != std::string::npos,
                  (flag.commands & kServeDoor) != 0)
            << flag.name;
        EXPECT_EQ(help_page("doctor").find(line) != std::string::npos,
                  (flag.commands & kDoctorDoor) != 0)
            << flag.name;
    }
}

TEST(Help, TheOverviewNamesEverySubject) {
    for (const std::string_view subject : help_subjects())
        EXPECT_NE(help_page("").find(subject), std::string::npos) << subject;
}

TEST(Help, KnowsNothingElse) {
    EXPECT_EQ(help_page("disks"), "");
}

}  // namespace
