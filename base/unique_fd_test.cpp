#include "base/unique_fd.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace {

bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) >= 0;
}

int new_fd() {
    return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

TEST(UniqueFd, ClosesAtTheEndOfItsLife) {
    const int fd = new_fd();
    {
        const UniqueFd owner(fd);
        EXPECT_TRUE(is_open(fd));
        EXPECT_EQ(owner.get(), fd);
    }
    EXPECT_FALSE(is_open(fd));
}

TEST(UniqueFd, MovesOwnership) {
    UniqueFd first(new_fd());
    const int fd = first.get();
    const UniqueFd second(std::move(first));
    EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): moved-from is defined to be empty
    EXPECT_EQ(second.get(), fd);
    EXPECT_TRUE(is_open(fd));
}

TEST(UniqueFd, AssignmentClosesWhatWasThere) {
    UniqueFd owner(new_fd());
    const int old_fd = owner.get();
    owner = UniqueFd(new_fd());
    EXPECT_TRUE(owner);
    EXPECT_TRUE(is_open(owner.get()));
    EXPECT_NE(owner.get(), old_fd);
    EXPECT_FALSE(is_open(old_fd));
}

}  // namespace
