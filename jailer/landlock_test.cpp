#include "jailer/landlock.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <gtest/gtest.h>

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

}  // namespace
