#include "base/unwaited_write.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <gtest/gtest.h>
#include <string>

#include "base/unique_fd.hpp"

namespace {

class UnwaitedWriteTest : public testing::Test {
protected:
    void SetUp() override {
        std::array<int, 2> ends{};
        ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
        reader_ = UniqueFd(ends[0]);
        writer_ = UniqueFd(ends[1]);
        ours_ = UniqueFd(::fcntl(writer_.get(), F_DUPFD_CLOEXEC, 0));
    }
    bool callers_waits() const { return (::fcntl(writer_.get(), F_GETFL) & O_NONBLOCK) == 0; }

    // Until nothing more is taken; the error then.
    static int fill(int fd, WriteWay way) {
        const std::string bytes(4096, 'x');
        while (write_unwaited(fd, way, bytes) > 0) {
        }
        return errno;
    }

    UniqueFd reader_, writer_;
    UniqueFd ours_;  // shares the description of writer_, as a program's stderr its shell's
};

TEST_F(UnwaitedWriteTest, APipeIsOpenedAgainAndTheCallersStaysAsItIs) {
    EXPECT_EQ(make_own(ours_.get()), WriteWay::kPlain);
    EXPECT_EQ(fill(ours_.get(), WriteWay::kPlain), EAGAIN);
    EXPECT_TRUE(callers_waits());
    std::array<char, 16> bytes{};
    EXPECT_EQ(::read(reader_.get(), bytes.data(), bytes.size()), std::ssize(bytes));
}

TEST_F(UnwaitedWriteTest, WhatCannotBeOpenedAgainIsPolled) {
    EXPECT_EQ(write_way(ours_.get()), WriteWay::kPolled);
    EXPECT_EQ(write_unwaited(ours_.get(), WriteWay::kPolled, std::string(300, 'x')),
              std::ssize(std::string(kPolledBytes, 'x')));
    EXPECT_EQ(fill(ours_.get(), WriteWay::kPolled), EAGAIN);
    EXPECT_TRUE(callers_waits());
}

TEST_F(UnwaitedWriteTest, ASocketIsSentTo) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    const UniqueFd one(ends[0]);
    UniqueFd other(ends[1]);
    EXPECT_EQ(make_own(one.get()), WriteWay::kSocket);
    EXPECT_EQ(fill(one.get(), WriteWay::kSocket), EAGAIN);
    other = UniqueFd();
    EXPECT_EQ(fill(one.get(), WriteWay::kSocket), EPIPE);  // and no SIGPIPE
}

TEST_F(UnwaitedWriteTest, WhatNobodyReadsStaysAsItIs) {
    const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    EXPECT_EQ(make_own(null.get()), WriteWay::kPlain);
    EXPECT_EQ(make_own(-1), WriteWay::kPlain);
    EXPECT_EQ(make_own(reader_.get()), WriteWay::kPolled);
    EXPECT_EQ(::fcntl(reader_.get(), F_GETFL) & O_ACCMODE, O_RDONLY);
}

}  // namespace
