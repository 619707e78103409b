#include "bench/stages.hpp"

#include <gtest/gtest.h>
#include <numeric>

namespace {

std::string span_event(const char* name, double ts, double dur) {
    return std::string(R"({"name":")") + name + R"(","ph":"X","ts":)" + std::to_string(ts) +
           R"(,"dur":)" + std::to_string(dur) + "},";
}

std::string instant(const char* name, double ts) {
    return std::string(R"({"name":")") + name + R"(","ph":"i","ts":)" + std::to_string(ts) + "},";
}

// Each stage of the monitor takes 10 us; the guest leaves first at `first_exit`.
std::string trace_with(double first_exit) {
    std::string events = R"({"name":"process_name","ph":"M","pid":1},)";
    for (size_t i = 1; i <= 9; ++i)
        events += span_event(kStageNames[i], static_cast<double>(i - 1) * 10, 10);
    events += instant("first exit", first_exit) + instant("first output", 130);
    return R"({"traceEvents":[)" + events + instant("exit", 200) + R"({"name":"last"}]})";
}

TEST(Stages, FollowEachOtherAndSumUp) {
    const auto times = parse_stages(trace_with(110), 180);
    ASSERT_TRUE(times.ok());
    EXPECT_EQ(times.value(), (StageTimes{50, 10, 10, 10, 10, 10, 10, 10, 10, 10, 20, 20}));
    EXPECT_EQ(std::accumulate(times.value().begin(), times.value().end(), 0.0), 180);
}

TEST(Stages, HaveNoNegativeOneWhereAVcpuWasEarly) {
    const auto times = parse_stages(trace_with(85), 180);
    ASSERT_TRUE(times.ok());
    EXPECT_EQ(times.value()[10], 0);
    EXPECT_EQ(times.value()[11], 40);
    EXPECT_EQ(std::accumulate(times.value().begin(), times.value().end(), 0.0), 180);
}

TEST(Stages, EndWithTheFirstOutput) {
    const auto times = parse_stages(trace_with(110), 125);
    ASSERT_TRUE(times.ok());
    EXPECT_EQ(times.value()[0], 0);
    EXPECT_EQ(times.value()[11], 15);
    EXPECT_EQ(std::accumulate(times.value().begin(), times.value().end(), 0.0), 125);
}

TEST(Stages, AreTheMonitorsOrTheGuests) {
    std::vector<StageSamples> stages;
    for (const char* const name : kStageNames)
        stages.push_back({.name = name, .samples_us = {1, 2, 3}});
    const auto parts = monitor_and_guest(stages);
    ASSERT_TRUE(parts);
    EXPECT_EQ(parts->monitor_us, 20);
    EXPECT_EQ(parts->guest_us, 4);
    EXPECT_FALSE(monitor_and_guest({}));
}

TEST(Stages, NeedAllOfTheTrace) {
    for (const char* const trace :
         {"", "[]", "{}", R"({"traceEvents":1})", R"({"traceEvents":[]})",
          R"({"traceEvents":[1,{"name":1,"ts":1},{"name":"exec"},{"name":"exec","ts":"x"}]})"}) {
        const auto times = parse_stages(trace, 100);
        ASSERT_FALSE(times.ok()) << trace;
        EXPECT_EQ(times.error().code, EPROTO) << trace;
    }
}

}  // namespace
