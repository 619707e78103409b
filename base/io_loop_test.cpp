#include "base/io_loop.hpp"

#include <array>
#include <atomic>
#include <functional>
#include <gtest/gtest.h>
#include <thread>
#include <utility>
#include <vector>

#include "base/io_engine_fixture.hpp"
#include "base/scripted_engine.hpp"

namespace {

// A worker that does what the test says.
class FakeWorker final : public IoWorker {
public:
    bool work(uint64_t now_ns) override {
        ++works;
        return on_work ? on_work(now_ns) : false;
    }
    bool before_wait() override {
        ++asked_before_wait;
        return on_before_wait ? on_before_wait() : false;
    }
    uint64_t deadline_ns() const override { return deadline; }
    void wind_down() override {
        ++winds_down;
        if (on_wind_down) on_wind_down();
    }
    bool is_in_flight() const override { return in_flight > 0; }

    std::function<bool(uint64_t)> on_work{};
    std::function<bool()> on_before_wait{};
    std::function<void()> on_wind_down{};
    uint64_t deadline = kNever;
    int works = 0;
    int asked_before_wait = 0;
    int winds_down = 0;
    int in_flight = 0;
};

class IoLoopTest : public testing::TestWithParam<Kind> {
protected:
    void SetUp() override {
        std::string why_not;
        std::unique_ptr<IoEngine> inner = create_engine(GetParam(), why_not);
        if (inner == nullptr) GTEST_SKIP() << why_not;
        scripted_ = std::make_unique<ScriptedEngine>(std::move(inner));
        engine_ = scripted_.get();
    }

    void create(IoPolling polling) {
        loop_ = IoLoop::create(std::move(scripted_), polling).value();
    }

    // Runs the loop on this thread, where a worker or a handler stops it.
    void run() {
        const Result<> started = loop_->start();
        const Result<> ended = started.ok() ? loop_->run() : started;
        EXPECT_TRUE(ended.ok());
    }

    // Until the loop waits without a limit for the `count`th time.
    void await_endless_sleep(size_t count) const {
        while (engine_->endless_sleeps() < count) std::this_thread::yield();
    }

    std::unique_ptr<ScriptedEngine> scripted_;  // until the loop has it
    ScriptedEngine* engine_ = nullptr;
    std::unique_ptr<IoLoop> loop_;
    EventFd event_ = EventFd::create().value();
    FakeWorker worker_;
};

TEST_P(IoLoopTest, StopsBeforeItWaits) {
    create(IoPolling::kNever);
    loop_->add(worker_);
    loop_->stop();
    run();
    EXPECT_EQ(worker_.winds_down, 1);
}

TEST_P(IoLoopTest, HandlesEventsOnceForSignalsThatComeTogether) {
    create(IoPolling::kNever);
    const EventFd other = EventFd::create().value();
    std::vector<char> order;
    ASSERT_TRUE(loop_
                    ->on_event(event_,
                               [&] {
                                   order.push_back('a');
                                   if (order.size() == 1) {
                                       other.signal();
                                       other.signal();
                                   } else {
                                       loop_->stop();
                                   }
                               })
                    .ok());
    ASSERT_TRUE(loop_
                    ->on_event(other,
                               [&] {
                                   order.push_back('b');
                                   event_.signal();
                               })
                    .ok());
    event_.signal();
    event_.signal();
    run();
    EXPECT_EQ(order, (std::vector{'a', 'b', 'a'}));
}

TEST_P(IoLoopTest, StopsWhenAnotherThreadSaysSo) {
    create(IoPolling::kNever);
    loop_->add(worker_);
    const std::jthread other([&] {
        await_endless_sleep(1);
        loop_->stop();
    });
    run();
    EXPECT_EQ(worker_.winds_down, 1);
}

TEST_P(IoLoopTest, EventsOfOtherThreadsAreNotLost) {
    create(IoPolling::kAdaptive);
    constexpr int kRounds = 500;
    const EventFd answer = EventFd::create().value();
    int handled = 0;
    ASSERT_TRUE(loop_
                    ->on_event(event_,
                               [&] {
                                   ++handled;
                                   answer.signal();
                               })
                    .ok());
    const std::jthread other([&] {
        for (int i = 0; i < kRounds; ++i) {
            event_.signal();
            while (!answer.drain()) std::this_thread::yield();
        }
        loop_->stop();
    });
    run();
    EXPECT_EQ(handled, kRounds);
}

TEST_P(IoLoopTest, WorkersTakeTurns) {
    create(IoPolling::kNever);
    FakeWorker other;
    std::vector<char> order;
    // The one always has something to do, the other now and then.
    worker_.on_work = [&](uint64_t) {
        order.push_back('a');
        if (order.size() > 20) loop_->stop();
        return true;
    };
    other.on_work = [&](uint64_t) {
        order.push_back('b');
        return order.size() % 3 == 0;
    };
    loop_->add(worker_);
    loop_->add(other);
    run();
    for (size_t i = 0; i + 1 < order.size(); ++i) EXPECT_NE(order[i], order[i + 1]) << i;
    EXPECT_EQ(worker_.asked_before_wait, 0);
    EXPECT_EQ(engine_->sleeps(), 0U);
}

TEST_P(IoLoopTest, WhoHasWorkBeforeAWaitPreventsIt) {
    create(IoPolling::kNever);
    FakeWorker other;
    worker_.on_before_wait = [&] {
        if (worker_.asked_before_wait == 5) loop_->stop();
        return true;
    };
    loop_->add(worker_);
    loop_->add(other);
    run();
    EXPECT_GE(worker_.asked_before_wait, 5);
    EXPECT_EQ(other.asked_before_wait, worker_.asked_before_wait);  // each is asked every time
    EXPECT_EQ(engine_->sleeps(), 0U);
}

TEST_P(IoLoopTest, ADeadlineWakesIt) {
    create(IoPolling::kNever);
    constexpr uint64_t kPause = 2'000'000;
    uint64_t begun = 0;
    worker_.on_work = [&](uint64_t now_ns) {
        if (begun == 0) {
            begun = now_ns;
            worker_.deadline = now_ns + kPause;
            return true;
        }
        if (now_ns < worker_.deadline) return false;
        worker_.deadline = IoWorker::kNever;
        loop_->stop();
        return true;
    };
    FakeWorker other;
    other.deadline = IoWorker::kNever - 1;
    loop_->add(other);
    loop_->add(worker_);
    run();
    EXPECT_EQ(worker_.deadline, IoWorker::kNever);  // it came
    EXPECT_GE(engine_->sleeps(), 1U);
    EXPECT_EQ(engine_->endless_sleeps(), 0U);
}

TEST_P(IoLoopTest, ADeadlineThatHasPassedIsNoWait) {
    create(IoPolling::kNever);
    worker_.deadline = 1;
    worker_.on_work = [&](uint64_t) {
        if (worker_.works == 10) loop_->stop();
        return false;
    };
    loop_->add(worker_);
    run();
    EXPECT_EQ(engine_->sleeps(), 0U);
}

// Every wait ends at once with something of use, which is when polling would pay off.
TEST_P(IoLoopTest, NeverPollsWhereThatIsOff) {
    create(IoPolling::kNever);
    constexpr int kRounds = 200;
    bool has_come = false;
    ASSERT_TRUE(loop_->on_event(event_, [&] { has_come = true; }).ok());
    worker_.on_work = [&](uint64_t) { return std::exchange(has_come, false); };
    worker_.on_before_wait = [&] {
        event_.signal();
        if (worker_.asked_before_wait == kRounds) loop_->stop();
        return false;
    };
    loop_->add(worker_);
    run();
    // One look as a round begins: the one that is of use, and the one that is not.
    EXPECT_GE(engine_->sleeps(), size_t{kRounds});
    EXPECT_LE(engine_->looks(), 3 * engine_->sleeps());
}

TEST_P(IoLoopTest, WorkKeepsItAwakeAndIdlenessLetsItSleep) {
    create(IoPolling::kAdaptive);
    constexpr size_t kRounds = 200;
    ASSERT_TRUE(loop_->on_event(event_, [] {}).ok());
    loop_->add(worker_);
    const std::jthread other([&] {
        // Answers a wait at once, again and again: polling pays off. And then nothing happens.
        for (size_t i = 1; i <= kRounds; ++i) {
            await_endless_sleep(i);
            event_.signal();
        }
        // A wait without a limit after the last event: the loop has gone to sleep.
        await_endless_sleep(kRounds + 1);
        loop_->stop();
    });
    run();
    EXPECT_GT(engine_->endless_sleeps(), kRounds);
}

TEST_P(IoLoopTest, AnIdleWorkerWithADeadlineIsNotPolledFor) {
    create(IoPolling::kAdaptive);
    worker_.on_work = [&](uint64_t now_ns) {
        if (worker_.works == 5) loop_->stop();
        worker_.deadline = now_ns + 1'000'000;
        return false;
    };
    loop_->add(worker_);
    run();
    // Nothing was ever of use, so nothing is looked for: at most two rounds for each wait.
    EXPECT_LE(engine_->looks(), 2 * engine_->sleeps() + 2);
}

// A worker with a request in the kernel: of a pipe that nothing comes from.
class ReadingWorker : public IoTarget {
public:
    void complete(const IoCompletion& completion) override {
        result = completion.result;
        --worker.in_flight;
    }

    FakeWorker worker;
    int32_t result = 0;
};

TEST_P(IoLoopTest, WindsDownUntilNothingIsInFlight) {
    create(IoPolling::kNever);
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const UniqueFd reader(ends[0]);
    const UniqueFd writer(ends[1]);
    ReadingWorker reading;
    IoEngine& engine = loop_->engine();
    const IoFile file = engine.add_file(reader.get()).value();
    const IoTag tag{engine.add_target(reading).value(), 0, 0};
    std::array<char, 16> buffer{};
    const std::array vectors{iovec{buffer.data(), buffer.size()}};
    reading.worker.on_work = [&](uint64_t) {
        if (reading.worker.in_flight > 0) return false;
        ++reading.worker.in_flight;
        engine.readv(file, vectors, IoEngine::kStream, tag);
        loop_->stop();
        return true;
    };
    reading.worker.on_wind_down = [&] { engine.cancel(tag); };
    loop_->add(reading.worker);
    run();
    EXPECT_EQ(reading.worker.winds_down, 1);
    EXPECT_EQ(reading.worker.in_flight, 0);
    EXPECT_EQ(reading.result, -ECANCELED);
}

TEST_P(IoLoopTest, WindingDownStartsNoWork) {
    create(IoPolling::kAdaptive);
    loop_->add(worker_);
    ASSERT_TRUE(loop_->on_event(event_, [&] { --worker_.in_flight; }).ok());
    worker_.in_flight = 1;
    int works = 0;
    worker_.on_wind_down = [&] {
        works = worker_.works;
        event_.signal();
    };
    loop_->stop();
    run();
    EXPECT_EQ(worker_.in_flight, 0);
    EXPECT_EQ(worker_.works, works);
}

INSTANTIATE_TEST_SUITE_P(Both, IoLoopTest, testing::Values(Kind::kRing, Kind::kPlain), kind_name);

}  // namespace
