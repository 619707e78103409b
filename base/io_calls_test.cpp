#include "base/io_calls.hpp"

#include <atomic>
#include <gtest/gtest.h>
#include <thread>

#include "base/plain_engine.hpp"

namespace {

using namespace std::chrono_literals;

class IoCallsTest : public testing::Test {
protected:
    IoCallsTest()
        : loop_(IoLoop::create(PlainEngine::create(), IoPolling::kNever).value()),
          calls_(IoCalls::create(*loop_).value()) {}
    ~IoCallsTest() override { stop(); }

    void start() {
        thread_ = std::thread([this] {
            const Result<> started = loop_->start();
            EXPECT_TRUE(started.ok() && loop_->run().ok());
        });
    }
    void stop() {
        loop_->stop();
        if (thread_.joinable()) thread_.join();
    }

    std::unique_ptr<IoLoop> loop_;
    std::unique_ptr<IoCalls> calls_;
    std::thread thread_;
};

TEST_F(IoCallsTest, AreMadeByTheLoopsThread) {
    start();
    std::thread::id where;
    ASSERT_TRUE(calls_->make([&] { where = std::this_thread::get_id(); }).ok());
    EXPECT_EQ(where, thread_.get_id());
}

TEST_F(IoCallsTest, HaveBeenMadeWhenTheyReturn) {
    start();
    int count = 0;  // of two threads, one after the other
    for (int i = 1; i <= 1000; ++i) {
        ASSERT_TRUE(calls_->make([&] { ++count; }).ok());
        ASSERT_EQ(count, i);
    }
}

TEST_F(IoCallsTest, AreWaitedForHoweverLongTheyTake) {
    start();
    bool is_done = false;
    const auto slow = [&] {
        std::this_thread::sleep_for(50ms);
        is_done = true;
    };
    // Patience is for what has not begun.
    const bool is_in_time = calls_->make(slow, 20ms).ok();
    EXPECT_EQ(is_done, is_in_time);
    ASSERT_TRUE(calls_->make(slow).ok());
    EXPECT_TRUE(is_done);
}

TEST_F(IoCallsTest, WaitUntilTheLoopRuns) {
    bool is_made = false;
    std::thread asker([&] { EXPECT_TRUE(calls_->make([&] { is_made = true; }).ok()); });
    std::this_thread::sleep_for(10ms);
    start();
    asker.join();
    EXPECT_TRUE(is_made);
}

// Its caller's variables are gone by then.
TEST_F(IoCallsTest, AreNotMadeAnyMoreOnceGivenUp) {
    std::atomic<bool> is_made = false;
    const auto late = calls_->make([&] { is_made = true; }, 20ms);
    ASSERT_FALSE(late.ok());
    EXPECT_EQ(late.error().code, ETIMEDOUT);
    start();
    std::this_thread::sleep_for(50ms);  // it has seen that it was asked
    EXPECT_FALSE(is_made);
    bool next_is_made = false;
    ASSERT_TRUE(calls_->make([&] { next_is_made = true; }).ok());
    EXPECT_TRUE(next_is_made);
}

TEST_F(IoCallsTest, AreGivenUpWhenTheLoopHasEnded) {
    start();
    stop();
    bool is_made = false;
    EXPECT_EQ(calls_->make([&] { is_made = true; }, 20ms).error().code, ETIMEDOUT);
    EXPECT_FALSE(is_made);
}

}  // namespace
