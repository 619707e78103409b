#include "monitor/console/output.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <gtest/gtest.h>
#include <vector>

#include "base/monotonic_clock.hpp"

namespace {

class ConsoleOutputTest : public testing::Test {
protected:
    void SetUp() override {
        ::signal(SIGPIPE, SIG_IGN);
        std::array<int, 2> ends{};
        ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
        reader_ = UniqueFd(ends[0]);
        writer_ = UniqueFd(ends[1]);
    }
    void TearDown() override { ::signal(SIGPIPE, SIG_DFL); }

    // Reads all that there is; how much that was.
    size_t read_all() const {
        std::array<char, 1 << 16> bytes{};
        size_t total = 0;
        for (;;) {
            const ssize_t count = ::read(reader_.get(), bytes.data(), bytes.size());
            if (count <= 0) return total;
            total += static_cast<size_t>(count);
        }
    }

    UniqueFd reader_, writer_;
    EventFd queued_ = EventFd::create().value();
    Timeline timeline_;
};

TEST_F(ConsoleOutputTest, CountsFlushesOfWhatHadToWait) {
    ConsoleOutput output(writer_.get(), queued_, timeline_);
    const std::vector<std::byte> bytes(100'000);  // more than a pipe takes
    output.flush();
    output.transmit(bytes);
    EXPECT_TRUE(output.is_waiting());
    EXPECT_EQ(output.metrics().flush_count.value(), 0U);
    size_t total = read_all();
    output.flush();
    total += read_all();
    EXPECT_EQ(total, bytes.size());
    output.flush();
    EXPECT_EQ(output.metrics().flush_count.value(), 1U);
    EXPECT_EQ(output.metrics().missed_write_count.value(), 0U);
}

TEST_F(ConsoleOutputTest, DropsAndCountsWhatItsLimitHasNoRoomFor) {
    constexpr uint64_t kNever = 1'000'000'000'000;  // ms
    ConsoleOutput output(writer_.get(), queued_, timeline_,
                         {.size = 100, .one_time_burst = 20, .refill_time_ms = kNever});
    output.transmit(std::vector<std::byte>(70));
    output.transmit(std::vector<std::byte>(70));
    output.transmit(std::vector<std::byte>(1));
    EXPECT_EQ(read_all(), 120U);
    EXPECT_FALSE(output.is_waiting());
    EXPECT_EQ(output.metrics().rate_limiter_dropped_bytes.value(), 21U);
    EXPECT_EQ(output.dropped_bytes(), 0U);
}

TEST_F(ConsoleOutputTest, CountsBytesOfAReaderThatIsGone) {
    ConsoleOutput output(writer_.get(), queued_, timeline_);
    reader_ = UniqueFd();
    output.transmit(std::vector<std::byte>(100));
    EXPECT_EQ(output.metrics().missed_write_count.value(), 100U);
    EXPECT_EQ(output.dropped_bytes(), 100U);
}

TEST_F(ConsoleOutputTest, AReaderThatStandsStillIsGivenUpWhenTheTimeIsOver) {
    ConsoleOutput output(writer_.get(), queued_, timeline_);
    output.transmit(std::vector<std::byte>(100'000));
    const size_t waiting = output.waiting_bytes();
    const uint64_t began_ns = monotonic_ns();
    output.drain(-1, DrainLimit(began_ns));
    EXPECT_GE(monotonic_ns() - began_ns, DrainLimit::kStandstillNs);
    EXPECT_EQ(output.waiting_bytes(), 0U);
    EXPECT_EQ(output.dropped_bytes(), waiting);
}

TEST_F(ConsoleOutputTest, WhoAbandonsIsNotWaitedFor) {
    ConsoleOutput output(writer_.get(), queued_, timeline_);
    output.transmit(std::vector<std::byte>(100'000));
    const EventFd signal = EventFd::create().value();
    signal.signal();
    output.drain(signal.fd(), DrainLimit(DrainLimit::kNever));
    EXPECT_GT(output.dropped_bytes(), 0U);
}

TEST_F(ConsoleOutputTest, ADescriptionThatIsNotOursIsWrittenWhenPolledAndNotAfterAnotherHas) {
    ASSERT_EQ(::fcntl(writer_.get(), F_SETFL, 0), 0);
    ConsoleOutput output(writer_.get(), queued_, timeline_);
    output.transmit(std::vector<std::byte>(1000));
    EXPECT_EQ(output.waiting_bytes(), 1000U);
    output.flush();
    EXPECT_EQ(output.waiting_bytes(), 1000U - kPolledBytes);
    // More than the queue takes: the vCPU writes, until there is room in it.
    output.transmit(std::vector<std::byte>(ConsoleOutput::kQueueBytes));
    const size_t full = output.waiting_bytes();
    EXPECT_LE(full, ConsoleOutput::kQueueBytes);
    output.flush();  // by a poll that was before
    EXPECT_EQ(output.waiting_bytes(), full);
    output.flush();
    EXPECT_EQ(output.waiting_bytes(), full - kPolledBytes);
}

TEST(DrainLimitTest, IsForEverOrForSecondsOfAReaderThatMoves) {
    EXPECT_EQ(DrainLimit(DrainLimit::kNever).end_ns(1), DrainLimit::kNever);
    constexpr uint64_t kSecond = 1'000'000'000;
    const DrainLimit limit(10 * kSecond);
    EXPECT_EQ(limit.end_ns(2 * kSecond), 11 * kSecond);
    EXPECT_EQ(limit.end_ns(12 * kSecond), 13 * kSecond);
    EXPECT_EQ(limit.end_ns(100 * kSecond), 15 * kSecond);
}

}  // namespace
