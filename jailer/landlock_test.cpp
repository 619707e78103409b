#include "jailer/landlock.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <gtest/gtest.h>
#include <thread>

namespace {

TEST(LandlockDeathTest, NoFileCanBeOpenedAndWhatIsOpenStaysSo) {
    if (::syscall(SYS_landlock_create_ruleset, nullptr, 0, 1) < 1)
        GTEST_SKIP() << "this kernel has no Landlock";
    const auto forbid = [] {
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        const int open = ::open("/dev/zero", O_RDONLY);
        if (!forbid_all_files().ok()) ::_exit(1);
        char byte = 1;
        if (::read(open, &byte, 1) != 1 || byte != 0) ::_exit(2);
        if (::open("/dev/zero", O_RDONLY) >= 0 || errno != EACCES) ::_exit(3);
        if (::open("/tmp", O_TMPFILE | O_RDWR, 0600) >= 0) ::_exit(4);
        ::_exit(0);
    };
    EXPECT_EXIT(forbid(), testing::ExitedWithCode(0), "");
}

TEST(LandlockDeathTest, NobodyElseIsSignalledOrCalled) {
    constexpr int kFirstWithScopes = 6;
    if (::syscall(SYS_landlock_create_ruleset, nullptr, 0, 1) < kFirstWithScopes)
        GTEST_SKIP() << "this kernel's Landlock has no scopes";
    const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un name{.sun_family = AF_UNIX, .sun_path = {}};
    socklen_t size = sizeof(sa_family_t);  // the kernel names it
    ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&name), size), 0);
    ASSERT_EQ(::listen(listener, 1), 0);
    size = sizeof(name);
    ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&name), &size), 0);
    const auto forbid = [&] {
        const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        // A thread with a sandbox of its own is still one of this process.
        std::atomic<bool> is_over = false;
        std::thread other([&] {
            if (!forbid_all_files().ok()) ::_exit(1);
            if (::syscall(SYS_tgkill, ::getpid(), ::getpid(), 0) != 0) ::_exit(2);
            is_over = true;
        });
        other.join();
        if (!forbid_all_files().ok()) ::_exit(1);
        if (::kill(::getppid(), 0) == 0 || errno != EPERM) ::_exit(3);
        if (::connect(socket, reinterpret_cast<const sockaddr*>(&name), size) == 0) ::_exit(4);
        ::_exit(is_over ? 0 : 5);
    };
    EXPECT_EXIT(forbid(), testing::ExitedWithCode(0), "");
    ::close(listener);
}

}  // namespace
