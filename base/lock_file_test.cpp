#include "base/lock_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <gtest/gtest.h>
#include <string>

#include "base/record_lock.hpp"

namespace {

int lock_all(int fd) {
    return set_record_lock(fd, RecordLock::kWrite) == 0 ? 0 : errno;
}

class LockFileTest : public testing::Test {
protected:
    LockFileTest() {
        EXPECT_NE(::mkdtemp(path_.data()), nullptr);
        folder_ = UniqueFd(::open(path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    }
    ~LockFileTest() override {
        remove();
        ::rmdir(path_.c_str());
    }

    Result<UniqueFd> take(int (*lock)(int) = lock_all) const {
        return take_lock_file(folder_.get(), "x", lock);
    }
    int why_not(int (*lock)(int) = lock_all) const {
        const auto taken = take(lock);
        return taken.ok() ? 0 : taken.error().code;
    }
    void remove() const { ::unlinkat(folder_.get(), "x", 0); }
    void put(mode_t mode) const {
        const UniqueFd file(::openat(folder_.get(), "x", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        EXPECT_EQ(::fchmod(file.get(), mode), 0);
    }

    std::string path_ = testing::TempDir() + "lock.XXXXXX";
    UniqueFd folder_;
};

TEST_F(LockFileTest, OneHasItAndNobodyElseMayOpenIt) {
    const UniqueFd first = take().value();
    struct stat status {};
    ASSERT_EQ(::fstatat(folder_.get(), "x", &status, 0), 0);
    EXPECT_EQ(status.st_mode, mode_t{S_IFREG | 0600});
    EXPECT_NE(::fcntl(first.get(), F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_EQ(why_not(), EAGAIN);
}

TEST_F(LockFileTest, OneThatWasLeftIsTaken) {
    put(0600);
    EXPECT_EQ(why_not(), 0);
}

TEST_F(LockFileTest, WhatOthersMayOpenIsRefused) {
    for (const mode_t mode : {0640U, 0604U, 0644U}) {
        put(mode);
        EXPECT_EQ(why_not(), EPERM) << mode;
        remove();
    }
    ASSERT_EQ(::symlinkat("/dev/null", folder_.get(), "x"), 0);
    EXPECT_EQ(why_not(), ELOOP);
}

// The one before removes it between our opening and our lock.
TEST_F(LockFileTest, OneThatWasRemovedMeanwhileIsMadeAgain) {
    static std::string file;
    static int calls;
    file = path_ + "/x";
    calls = 0;
    const UniqueFd mine = take([](int fd) {
                              if (++calls < 3) ::unlink(file.c_str());
                              return lock_all(fd);
                          }).value();
    EXPECT_EQ(calls, 3);
    EXPECT_EQ(why_not(), EAGAIN);  // the one that is there is the one that is held
    EXPECT_EQ(why_not([](int fd) {
                  ::unlink(file.c_str());
                  return lock_all(fd);
              }),
              EAGAIN);
    EXPECT_EQ(why_not([](int) {
                  ::unlink(file.c_str());
                  return 0;
              }),
              EBUSY);
}

}  // namespace
