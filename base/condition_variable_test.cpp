#include "base/condition_variable.hpp"

#include <atomic>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class ConditionVariableTest : public testing::Test {
protected:
    void set(int value) {
        const std::lock_guard lock(mutex_);
        value_ = value;
        changed_.notify_all();
    }

    std::mutex mutex_;  // guards value_
    ConditionVariable changed_;
    int value_ = 0;
};

TEST_F(ConditionVariableTest, WakesAllWhoWait) {
    std::vector<std::thread> waiters;
    std::atomic<int> awake = 0;
    for (int i = 0; i < 4; ++i)
        waiters.emplace_back([&] {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [this] { return value_ == 1; });
            EXPECT_TRUE(lock.owns_lock());
            ++awake;
        });
    set(7);  // not what they wait for
    EXPECT_EQ(awake, 0);
    set(1);
    for (std::thread& waiter : waiters) waiter.join();
    EXPECT_EQ(awake, 4);
}

TEST_F(ConditionVariableTest, DoesNotWaitForWhatHolds) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [] { return true; });
    EXPECT_TRUE(changed_.wait_for(lock, 0ns, [] { return true; }));
    EXPECT_TRUE(changed_.wait_for(lock, 1h, [] { return true; }));
}

TEST_F(ConditionVariableTest, WaitsNoLongerThanItsLimit) {
    // Almost a second takes the nanoseconds of nearly any time past the next.
    for (const std::chrono::nanoseconds limit :
         {0ns, 30'000'000ns, 999'999'999ns, 1'000'000'000ns}) {
        std::unique_lock lock(mutex_);
        const auto start = Clock::now();
        EXPECT_FALSE(changed_.wait_for(lock, limit, [] { return false; }));
        EXPECT_GE(Clock::now() - start, limit);
        EXPECT_LT(Clock::now() - start, limit + 10s);
        EXPECT_TRUE(lock.owns_lock());
    }
}

TEST_F(ConditionVariableTest, IsWokenBeforeItsLimit) {
    std::thread setter([this] { set(1); });
    {
        std::unique_lock lock(mutex_);
        const auto start = Clock::now();
        EXPECT_TRUE(changed_.wait_for(lock, 1h, [this] { return value_ == 1; }));
        EXPECT_LT(Clock::now() - start, 1min);
    }
    setter.join();
}

// The last word has what it waits for, also where the time is up.
TEST_F(ConditionVariableTest, LooksOnceMoreWhenTheTimeIsUp) {
    std::unique_lock lock(mutex_);
    int asked = 0;
    EXPECT_TRUE(changed_.wait_for(lock, 1ns, [&] { return ++asked == 2; }));
}

}  // namespace
