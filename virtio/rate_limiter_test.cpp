#include "virtio/rate_limiter.hpp"

#include <array>
#include <gtest/gtest.h>
#include <limits>

namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kSecond = 1000 * kMillisecond;

TokenBucketConfig bucket(uint64_t size, uint64_t refill_time_ms, uint64_t burst = 0) {
    return {.size = size, .one_time_burst = burst, .refill_time_ms = refill_time_ms};
}

RateLimiter by_bytes(const TokenBucketConfig& config, uint64_t now_ns = 0) {
    return RateLimiter({.bandwidth = config, .ops = {}}, now_ns);
}

// What passes until `end_ns` to a device that always has a request waiting and sleeps until it is
// told to ask again. `sizes` are asked for in turn.
template <size_t N>
uint64_t bytes_passed(RateLimiter& limiter, const std::array<uint64_t, N>& sizes, uint64_t& now_ns,
                      uint64_t end_ns) {
    uint64_t passed = 0;
    for (size_t turn = 0; now_ns < end_ns;) {
        const std::optional<uint64_t> later = limiter.take(sizes[turn % N], now_ns);
        if (later) {
            EXPECT_GT(*later, now_ns);
            now_ns = *later;
        } else {
            passed += sizes[turn++ % N];
        }
    }
    return passed;
}

TEST(RateLimiter, LimitsNothingWithoutASizeOrARefillTime) {
    RateLimiter limiter;
    EXPECT_FALSE(limiter.take(kMax, 0));
    EXPECT_FALSE(limiter.take(kMax, 0));
    for (const TokenBucketConfig& config : {bucket(0, 100), bucket(100, 0), bucket(0, 100, 5)}) {
        RateLimiter open({config, config}, 0);
        for (int i = 0; i < 1000; ++i) ASSERT_FALSE(open.take(kMax, 0));
    }
}

TEST(RateLimiter, GivesTheSizeAtOnceAndTheRestInTime) {
    RateLimiter limiter = by_bytes(bucket(1000, 100), 5 * kSecond);
    EXPECT_FALSE(limiter.take(600, 5 * kSecond));
    EXPECT_FALSE(limiter.take(400, 5 * kSecond));
    // A token takes 0.1 ms.
    EXPECT_EQ(limiter.take(1, 5 * kSecond), 5 * kSecond + 100'000);
    EXPECT_EQ(limiter.take(250, 5 * kSecond), 5 * kSecond + 25 * kMillisecond);
    EXPECT_EQ(limiter.take(250, 5 * kSecond + 25 * kMillisecond - 1),
              5 * kSecond + 25 * kMillisecond);
    EXPECT_FALSE(limiter.take(250, 5 * kSecond + 25 * kMillisecond));
    EXPECT_TRUE(limiter.take(1, 5 * kSecond + 25 * kMillisecond));
}

TEST(RateLimiter, HoldsNoMoreThanItsSize) {
    RateLimiter limiter = by_bytes(bucket(1000, 100));
    EXPECT_FALSE(limiter.take(1000, 3600 * kSecond));
    EXPECT_TRUE(limiter.take(1, 3600 * kSecond));
    EXPECT_FALSE(limiter.take(1000, 7200 * kSecond));
    EXPECT_TRUE(limiter.take(1, 7200 * kSecond));
}

TEST(RateLimiter, TheTimeToAskAgainIsExact) {
    // Numbers that divide nothing.
    RateLimiter limiter = by_bytes(bucket(977, 131));
    uint64_t now_ns = 17;
    for (uint64_t size = 1; size < 5000; size = size * 3 + 1) {
        const std::optional<uint64_t> later = limiter.take(size, now_ns);
        if (!later) continue;
        ASSERT_GT(*later, now_ns);
        EXPECT_EQ(limiter.take(size, *later - 1), later) << size;
        EXPECT_FALSE(limiter.take(size, *later)) << size;
        now_ns = *later;
    }
}

TEST(RateLimiter, TheBurstIsSpentFirstAndOnce) {
    RateLimiter limiter = by_bytes(bucket(1000, 100, 500));
    EXPECT_FALSE(limiter.take(400, 0));
    EXPECT_FALSE(limiter.take(1100, 0));
    EXPECT_TRUE(limiter.take(1, 0));
    EXPECT_FALSE(limiter.take(1000, kSecond));
    EXPECT_TRUE(limiter.take(1, kSecond));
}

TEST(RateLimiter, WhatExceedsTheBucketPassesWhenItIsFullAndIsRepaid) {
    RateLimiter limiter = by_bytes(bucket(1000, 100));
    EXPECT_FALSE(limiter.take(1, 0));
    const uint64_t full = 100'000;
    EXPECT_EQ(limiter.take(7000, 0), full);
    EXPECT_FALSE(limiter.take(7000, full));
    EXPECT_EQ(limiter.take(1, full), full + 600 * kMillisecond + 100'000);
    EXPECT_EQ(limiter.take(7000, full), full + 700 * kMillisecond);
    EXPECT_FALSE(limiter.take(7000, full + 700 * kMillisecond));
}

TEST(RateLimiter, BothLimitsHoldAndARefusalTakesNothing) {
    RateLimiter limiter({.bandwidth = bucket(1000, 1000), .ops = bucket(2, 1000)}, 0);
    EXPECT_FALSE(limiter.take(100, 0));
    EXPECT_FALSE(limiter.take(100, 0));
    // Bytes there are, operations not.
    EXPECT_EQ(limiter.take(800, 0), 500 * kMillisecond);
    EXPECT_FALSE(limiter.take(800, 500 * kMillisecond));
    // Both are wanting: the later time counts.
    EXPECT_EQ(limiter.take(1000, 500 * kMillisecond), 1300 * kMillisecond);
    EXPECT_EQ(limiter.take(500, 500 * kMillisecond), 1000 * kMillisecond);
    limiter.change_ops(bucket(1000, 1000), 500 * kMillisecond);
    EXPECT_EQ(limiter.take(1000, 500 * kMillisecond), 1300 * kMillisecond);
    EXPECT_FALSE(limiter.take(1000, 1300 * kMillisecond));
}

TEST(RateLimiter, ARequestOfNoBytesIsAnOperation) {
    RateLimiter limiter({.bandwidth = bucket(10, 1000), .ops = bucket(1, 1000)}, 0);
    EXPECT_FALSE(limiter.take(0, 0));
    EXPECT_EQ(limiter.take(0, 0), kSecond);
}

TEST(RateLimiter, IsAccurateToFivePercentInEverySecond) {
    struct Case {
        TokenBucketConfig config;
        uint64_t rate = 0;  // tokens in a second
    };
    const std::array<Case, 6> cases{{
        {bucket(10'000'000, 1000), 10'000'000},
        {bucket(100'000, 100), 1'000'000},
        {bucket(65'537, 7), 9'362'428},
        {bucket(4096, 10), 409'600},
        {bucket(1'000'000'007, 999), 1'001'001'008},
        {bucket(3'333, 1), 3'333'000},
    }};
    const std::array<uint64_t, 7> sizes{4096, 1, 513, 1514, 9001, 64, 2047};
    for (const Case& limits : cases) {
        RateLimiter limiter = by_bytes(limits.config);
        limiter.charge(limits.config.size, 0);  // what it holds at first is no part of the rate
        uint64_t now_ns = 0;
        for (uint64_t second = 1; second <= 3; ++second) {
            const uint64_t passed = bytes_passed(limiter, sizes, now_ns, second * kSecond);
            EXPECT_GE(passed * 100, limits.rate * 95) << limits.rate;
            EXPECT_LE(passed * 100, limits.rate * 105) << limits.rate;
        }
    }
}

TEST(RateLimiter, LargeRequestsKeepTheRateToo) {
    RateLimiter limiter = by_bytes(bucket(5000, 50));
    limiter.charge(5000, 0);
    const std::array<uint64_t, 3> sizes{7919, 5001, 12'345};
    uint64_t now_ns = 0;
    const uint64_t passed = bytes_passed(limiter, sizes, now_ns, 10 * kSecond);
    EXPECT_GE(passed, 950'000U);
    EXPECT_LE(passed, 1'050'000U);
}

TEST(RateLimiter, OperationsAreAsAccurate) {
    RateLimiter limiter({.bandwidth = {}, .ops = bucket(100, 70)}, 0);
    for (int i = 0; i < 100; ++i) limiter.charge(0, 0);
    uint64_t operations = 0;
    for (uint64_t now_ns = 0; now_ns < kSecond;) {
        const std::optional<uint64_t> later = limiter.take(4096, now_ns);
        if (later)
            now_ns = *later;
        else
            ++operations;
    }
    EXPECT_NEAR(static_cast<double>(operations), 1000.0 / 70 * 100, 2);
}

TEST(RateLimiter, RefillsDoNotDriftHoweverOftenTheyHappen) {
    // 7 tokens in 3 ms, looked at every 997 ns: a token is a part of 429 looks.
    RateLimiter limiter = by_bytes(bucket(7, 3));
    limiter.charge(7, 0);
    uint64_t passed = 0;
    constexpr uint64_t kEnd = 10 * kSecond;
    for (uint64_t now_ns = 0; now_ns <= kEnd; now_ns += 997)
        if (!limiter.take(1, now_ns)) ++passed;
    EXPECT_EQ(passed, kEnd * 7 / (3 * kMillisecond));
}

TEST(RateLimiter, TrafficOfUnknownSizeIsChargedAfterwards) {
    RateLimiter limiter = by_bytes(bucket(1000, 100));
    EXPECT_FALSE(limiter.blocked_until(0));
    limiter.charge(999, 0);
    EXPECT_FALSE(limiter.blocked_until(0));
    limiter.charge(1501, 0);
    // Owes 1500, and a frame needs one token.
    EXPECT_EQ(limiter.blocked_until(0), 150 * kMillisecond + 100'000);
    EXPECT_FALSE(limiter.blocked_until(150 * kMillisecond + 100'000));
}

TEST(RateLimiter, AChangeKeepsTheProportionOfTheFill) {
    RateLimiter limiter = by_bytes(bucket(1000, 100));
    limiter.charge(750, 0);
    limiter.change_bandwidth(bucket(100, 100), 0);
    EXPECT_TRUE(limiter.take(26, 0));
    EXPECT_FALSE(limiter.take(25, 0));
    // Empty stays empty: a larger bucket is no gift.
    limiter.change_bandwidth(bucket(1'000'000, 100), 0);
    EXPECT_EQ(limiter.take(10'000, 0), kMillisecond);
    // Full stays full.
    limiter.change_bandwidth(bucket(77, 50), kSecond);
    EXPECT_FALSE(limiter.take(77, kSecond));
    // The time before the change counts by the numbers before it.
    limiter.change_bandwidth(bucket(7700, 50), kSecond + 25 * kMillisecond);
    EXPECT_TRUE(limiter.take(3801, kSecond + 25 * kMillisecond));
    EXPECT_FALSE(limiter.take(3800, kSecond + 25 * kMillisecond));
}

TEST(RateLimiter, AChangeKeepsADebtInRefillTimes) {
    RateLimiter limiter = by_bytes(bucket(1'000'000'000, 100));
    limiter.charge(3'000'000'000, 0);
    limiter.change_bandwidth(bucket(10, 100), 0);
    EXPECT_EQ(limiter.take(10, 0), 300 * kMillisecond);
}

// A client that changes the one limit says the other's numbers again.
TEST(RateLimiter, ABucketWhoseNumbersStayGetsNoNewBurst) {
    const TokenBucketConfig with_burst{.size = 100, .one_time_burst = 50, .refill_time_ms = 1000};
    RateLimiter limiter({.bandwidth = with_burst, .ops = {}}, 0);
    limiter.charge(150, 0);
    limiter.change({.bandwidth = with_burst, .ops = bucket(10, 1000)}, 0);
    EXPECT_TRUE(limiter.take(1, 0));
    EXPECT_FALSE(limiter.take(1, 11 * kMillisecond));
}

TEST(RateLimiter, LimitsComeAndGo) {
    RateLimiter limiter;
    EXPECT_FALSE(limiter.take(1'000'000, kSecond));
    limiter.change_bandwidth(bucket(100, 100, 11), kSecond);
    EXPECT_FALSE(limiter.take(111, kSecond));
    EXPECT_TRUE(limiter.take(1, kSecond));
    limiter.change_bandwidth({}, kSecond);
    EXPECT_FALSE(limiter.take(kMax, kSecond));
    limiter.change_bandwidth(bucket(100, 100), kSecond);
    EXPECT_FALSE(limiter.take(100, kSecond));
    // A burst is granted with the change that asks for it.
    limiter.change_bandwidth(bucket(100, 100, 30), kSecond);
    EXPECT_FALSE(limiter.take(30, kSecond));
    EXPECT_TRUE(limiter.take(1, kSecond));
}

TEST(RateLimiter, AClockThatGoesBackGivesNothing) {
    RateLimiter limiter = by_bytes(bucket(1000, 100), 10 * kSecond);
    EXPECT_FALSE(limiter.take(1000, 10 * kSecond));
    EXPECT_TRUE(limiter.take(1, kSecond));
    EXPECT_TRUE(limiter.take(1, 10 * kSecond));
    EXPECT_FALSE(limiter.take(10, 10 * kSecond + kMillisecond));
}

TEST(TokenBucket, WhatIsNotKeptWaitingTakesWhatIsThere) {
    TokenBucket open({}, 0);
    EXPECT_EQ(open.take_what_may_pass(kMax, 0), kMax);
    TokenBucket limited(bucket(100, 100, 30), 0);
    EXPECT_EQ(limited.take_what_may_pass(0, 0), 0U);
    EXPECT_EQ(limited.take_what_may_pass(50, 0), 50U);
    EXPECT_EQ(limited.take_what_may_pass(500, 0), 80U);
    EXPECT_EQ(limited.take_what_may_pass(1, 0), 0U);
    EXPECT_EQ(limited.take_what_may_pass(500, 7 * kMillisecond), 7U);
    EXPECT_EQ(limited.take_what_may_pass(500, kSecond), 100U);
    limited.take(500, kSecond);  // owes
    EXPECT_EQ(limited.take_what_may_pass(500, kSecond + kMillisecond), 0U);
    TokenBucket largest(bucket(kMax, 1, kMax), 0);
    EXPECT_EQ(largest.take_what_may_pass(kMax, 0), kMax);
    EXPECT_EQ(largest.take_what_may_pass(kMax, 0), kMax);
    EXPECT_EQ(largest.take_what_may_pass(kMax, 0), 0U);
}

// --- Saved, and made of what was saved ----------------------------------------------------------

TEST(RateLimiter, GoesOnAsFullAsItWasByAnotherClock) {
    const RateLimiterConfig config{.bandwidth = bucket(1000, 300, 50), .ops = bucket(7, 11)};
    for (const uint64_t taken : {0U, 20U, 50U, 700U, 1050U, 5000U}) {
        RateLimiter first(config, 0);
        first.charge(taken, 10 * kSecond);
        // Between two tokens of either.
        const uint64_t saved_at = 10 * kSecond + 1'234'567;
        const RateLimiterState state = first.save(saved_at);
        for (const uint64_t start_ns : {uint64_t{0}, 10 * kSecond, 500 * kSecond}) {
            Result<RateLimiter> second = RateLimiter::create(state, start_ns);
            ASSERT_TRUE(second.ok());
            EXPECT_EQ(second.value().save(start_ns), state);
            RateLimiter here = first;
            RateLimiter& there = second.value();
            for (uint64_t bytes = 1; bytes < 1500; bytes += 97) {
                const std::optional<uint64_t> expected = here.take(bytes, saved_at);
                const std::optional<uint64_t> got = there.take(bytes, start_ns);
                ASSERT_EQ(got.has_value(), expected.has_value());
                if (got) {
                    ASSERT_EQ(*got - start_ns, *expected - saved_at);
                }
            }
        }
    }
}

TEST(RateLimiter, OneThatLimitsNothingIsSavedToo) {
    RateLimiter none;
    none.charge(5000, kSecond);
    EXPECT_EQ(none.save(kSecond), RateLimiterState{});
    EXPECT_FALSE(RateLimiter::create({}, kSecond).value().take(kMax, kSecond));
    // It was a limit once.
    RateLimiter limiter = by_bytes(bucket(100, 100));
    limiter.charge(50, 0);
    limiter.change({}, 0);
    EXPECT_EQ(limiter.save(kSecond), RateLimiterState{});
}

TEST(RateLimiter, AStateThatNoBucketCanHaveIsRefused) {
    const RateLimiterState good{.config = {.bandwidth = bucket(100, 10, 5), .ops = {}},
                                .bandwidth = {.level = 100, .fraction = 9'999'999, .burst = 5},
                                .ops = {}};
    const auto refused = [&](auto change) {
        RateLimiterState state = good;
        change(state);
        return !RateLimiter::create(state, 0).ok();
    };
    using State = RateLimiterState;
    EXPECT_FALSE(refused([](State&) {}));
    EXPECT_FALSE(refused([](State& s) { s.ops = {.level = kMax, .fraction = kMax}; }));
    EXPECT_FALSE(refused([](State& s) { s.bandwidth.level = kMax, s.bandwidth.owes = true; }));
    EXPECT_TRUE(refused([](State& s) { s.bandwidth.level = 101; }));
    EXPECT_TRUE(refused([](State& s) { s.bandwidth.fraction = 10'000'000; }));
    EXPECT_TRUE(refused([](State& s) { s.bandwidth.burst = 6; }));
    EXPECT_TRUE(refused([](State& s) { s.config.ops = bucket(1, 1), s.ops.level = 2; }));
}

TEST(RateLimiter, SurvivesTheLargestNumbers) {
    const std::array<uint64_t, 5> extremes{1, 2, kMax / 2, kMax - 1, kMax};
    for (const uint64_t size : extremes)
        for (const uint64_t refill : extremes)
            for (const uint64_t burst : extremes)
                for (const uint64_t tokens : extremes) {
                    RateLimiter limiter = by_bytes(bucket(size, refill, burst));
                    for (const uint64_t now_ns : {uint64_t{0}, uint64_t{1}, kMax - 1, kMax}) {
                        const std::optional<uint64_t> later = limiter.take(tokens, now_ns);
                        ASSERT_TRUE(!later || *later >= now_ns);
                        limiter.charge(kMax, now_ns);
                        limiter.change_bandwidth(bucket(refill, size, 0), now_ns);
                        limiter.change_bandwidth(bucket(tokens, refill, burst), now_ns);
                    }
                }
    // A full speed of 2^64 - 1 bytes in a millisecond, and one byte in 584 million years.
    RateLimiter fast = by_bytes(bucket(kMax, 1));
    EXPECT_FALSE(fast.take(kMax, 0));
    EXPECT_EQ(fast.take(1, 0), 1U);
    EXPECT_FALSE(fast.take(kMax, kMillisecond));
    RateLimiter slow = by_bytes(bucket(1, kMax));
    EXPECT_FALSE(slow.take(1, 0));
    EXPECT_GT(slow.take(1, 0), uint64_t{1} << 63);
}

}  // namespace
