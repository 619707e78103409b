#include "rootfs/mkimage/sandbox.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <csignal>
#include <gtest/gtest.h>

#include "rootfs/mkimage/scratch_folder.hpp"
#include "rootfs/mkimage/tool.hpp"

namespace {

class Sandbox : public testing::Test {
protected:
    Sandbox() {
        EXPECT_EQ(::mkdir(box.in("work").c_str(), 0700), 0);
        box.write("outside", "x");
        folder = UniqueFd(::open(box.in("work").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    }

    // Whether `attempt` succeeds in there.
    bool can(const std::function<bool()>& attempt, int readable = -1) {
        const auto work = [&]() -> Result<> { return attempt() ? Result<>(Ok{}) : said(); };
        testing::internal::CaptureStderr();
        const bool done =
            run_confined({.folder = folder.get(), .readable = readable}, work, job).ok();
        testing::internal::GetCapturedStderr();
        return done;
    }
    bool can_open(const std::string& path, int flags) {
        return can([&] { return ::open(path.c_str(), flags, 0600) >= 0; });
    }

    ScratchFolder box;
    UniqueFd folder;
    Job job{Interrupt::create().value()};
};

TEST_F(Sandbox, MakesAndRemovesInItsFolder) {
    EXPECT_TRUE(can_open(box.in("work/file"), O_WRONLY | O_CREAT));
    EXPECT_TRUE(can([&] {
        const int at = folder.get();
        return ::mkdirat(at, "d", 0755) == 0 && ::linkat(at, "file", at, "d/link", 0) == 0 &&
               ::symlinkat("x", at, "s") == 0 && ::mknodat(at, "p", S_IFIFO | 0600, 0) == 0 &&
               ::renameat(at, "file", at, "file2") == 0 && ::unlinkat(at, "s", 0) == 0;
    }));
    EXPECT_TRUE(box.has("work/d/link") && box.has("work/file2"));
    EXPECT_FALSE(box.has("work/s"));
}

TEST_F(Sandbox, ReachesNoOtherFile) {
    EXPECT_FALSE(can_open(box.in("outside"), O_RDONLY));
    EXPECT_FALSE(can_open(box.in("outside"), O_WRONLY));
    EXPECT_FALSE(can_open(box.in("new"), O_WRONLY | O_CREAT));
    EXPECT_FALSE(can_open("/etc/passwd", O_RDONLY));
    EXPECT_FALSE(can([&] { return ::unlink(box.in("outside").c_str()) == 0; }));
    EXPECT_TRUE(box.has("outside"));
    const UniqueFd readable(::open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    EXPECT_TRUE(can([] { return ::open("/etc/passwd", O_RDONLY) >= 0; }, readable.get()));
    EXPECT_FALSE(can([] { return ::open("/etc/passwd", O_RDWR) >= 0; }, readable.get()));
}

TEST_F(Sandbox, ReachesNoNetworkAndNobodyElse) {
    EXPECT_FALSE(can([] { return ::socket(AF_INET, SOCK_STREAM, 0) >= 0; }));
    EXPECT_FALSE(can([] { return ::socket(AF_UNIX, SOCK_STREAM, 0) >= 0; }));
    EXPECT_FALSE(can([] { return ::kill(::getppid(), 0) == 0; }));
    EXPECT_FALSE(can([] { return ::execl("/bin/true", "true", nullptr) == 0; }));
    EXPECT_FALSE(can([] { return ::fork() >= 0; }));
    EXPECT_FALSE(can([] { return ::mount("x", "/tmp", "tmpfs", 0, nullptr) == 0; }));
}

TEST_F(Sandbox, HasOfRootWhatTreesNeed) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    EXPECT_TRUE(can([&] {
        const int at = folder.get();
        return ::mknodat(at, "null", S_IFCHR | 0600, makedev(1, 3)) == 0 &&
               ::fchownat(at, "null", 5, 6, 0) == 0 && ::fchmodat(at, "null", 0644, 0) == 0;
    }));
    EXPECT_EQ(box.status("work/null").st_uid, 5U);
    EXPECT_FALSE(can_open(box.in("work/null"), O_RDONLY)) << "a device of the host's";
    EXPECT_FALSE(can([&] { return ::openat(folder.get(), "null", O_RDONLY) >= 0; }));
    const UniqueFd above(::open(box.in("").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    EXPECT_FALSE(can([&] { return ::openat(above.get(), "work/null", O_RDONLY) >= 0; }));
    EXPECT_FALSE(can([] { return ::setuid(1000) == 0; }));
    EXPECT_FALSE(can([] { return ::chroot("/") == 0; }));
}

TEST_F(Sandbox, ADeadReaderIsAnError) {
    const auto dies = []() -> Result<> { __builtin_trap(); };
    const auto ended = run_confined({.folder = folder.get()}, dies, job);
    ASSERT_FALSE(ended.ok());
    EXPECT_FALSE(is_said(ended.error()));
}

}  // namespace
