#include "monitor/auto_net/holder.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <gtest/gtest.h>

namespace {

// The holder's thread never ends: a process of its own has it.
[[noreturn]] void hold_and_exit() {
    std::array<int, 2> ends{};
    std::array<int, 2> others{};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0 ||
        ::pipe2(others.data(), O_CLOEXEC | O_NONBLOCK) != 0)
        ::_exit(1);
    Holder holder;
    holder.keep(UniqueFd(ends[1]));
    if (holder.descriptors() != std::vector{ends[1]}) ::_exit(2);
    if (!std::move(holder).start().ok()) ::_exit(3);
    if (::fcntl(ends[1], F_GETFD) >= 0) ::_exit(4);  // this thread's no more
    ::syscall(SYS_close_range, ends[1], ends[1], 0);
    char byte = 0;
    // A pipe that has a writer left is empty; one that has not is at its end.
    if (::read(ends[0], &byte, 1) != -1 || errno != EAGAIN) ::_exit(5);
    ::close(others[1]);
    if (::read(others[0], &byte, 1) != 0) ::_exit(6);  // it holds nothing else
    ::_exit(0);
}

TEST(HolderDeathTest, HasWhatItIsGivenAndNothingElse) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(hold_and_exit(), testing::ExitedWithCode(0), "");
}

TEST(Holder, OfNothingIsNoThread) {
    EXPECT_TRUE(Holder().start().ok());
}

}  // namespace
