#include <gtest/gtest.h>

#include "bench/probe.hpp"

namespace {

Result<std::vector<double>> measure(const std::string& plan) {
    const auto document = parse_plan(plan);
    EXPECT_TRUE(document.ok());
    const auto probe = make_probe(Fields(*document.value()));
    EXPECT_TRUE(probe.ok());
    return probe.value()->measure(0);
}

std::string crowd(const std::string& script) {
    return R"({"way":"crowd","limit_ms":10000,"in_flight":3,"starts":7,"program":{"name":"shell",)"
           R"("words":["/bin/sh","-c",")" +
           script + R"("]}})";
}

TEST(Crowd, HasARateAndAFirstOutputOfEach) {
    const auto values = measure(crowd("echo up; sleep 0.05"));
    ASSERT_TRUE(values.ok());
    ASSERT_EQ(values.value().size(), 2U + 7U);
    EXPECT_GT(values.value()[0], 0);
    EXPECT_GE(values.value()[1], 50'000) << "all of them have ended";
    for (size_t i = 2; i < values.value().size(); ++i) EXPECT_GT(values.value()[i], 0);
}

TEST(Crowd, EndsWithOneThatFails) {
    const auto status = measure(crowd("echo up; exit 3"));
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().value, 3U);
    const auto silent = measure(crowd("exit 0"));
    ASSERT_FALSE(silent.ok());
    EXPECT_EQ(silent.error().code, EPIPE);
}

TEST(OutputRate, CountsFromTheFirstByteToTheEnd) {
    const auto values = measure(
        R"({"way":"output rate","limit_ms":10000,"program":{"name":"dd","errors":"dropped",)"
        R"("words":["/bin/dd","if=/dev/zero","bs=65536","count=100"]}})");
    ASSERT_TRUE(values.ok());
    ASSERT_EQ(values.value().size(), 1U);
    EXPECT_GT(values.value()[0], 0);
}

}  // namespace
