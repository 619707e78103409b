#include "monitor/api/rate_limits.hpp"

#include <gtest/gtest.h>

namespace {

void expect_same(const RateLimiterConfig& one, const RateLimiterConfig& other) {
    EXPECT_TRUE(one.bandwidth == other.bandwidth);
    EXPECT_TRUE(one.ops == other.ops);
}

TEST(LimitsChange, LeavesABucketThatIsAbsent) {
    constexpr TokenBucketConfig kOne{.size = 1, .one_time_burst = 2, .refill_time_ms = 3};
    constexpr TokenBucketConfig kOther{.size = 4, .one_time_burst = 5, .refill_time_ms = 6};
    RateLimiterConfig limits{.bandwidth = kOne, .ops = kOne};
    apply(LimitsChange{}, limits);
    expect_same(limits, {.bandwidth = kOne, .ops = kOne});
    apply(LimitsChange{.bandwidth = {}, .ops = kOther}, limits);
    expect_same(limits, {.bandwidth = kOne, .ops = kOther});
    apply(LimitsChange{.bandwidth = TokenBucketConfig{}, .ops = {}}, limits);
    expect_same(limits, {.bandwidth = {}, .ops = kOther});
}

}  // namespace
