#include "monitor/sandbox/side_channels.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <gtest/gtest.h>

namespace {

// A kernel that answers one prctl(2) so: a filter in its place. For the end of this process.
void stand_in(int option, int code) {
    const std::array program = {
        sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 3),
        sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(option), 0, 1),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<uint32_t>(code)),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{static_cast<uint16_t>(program.size()),
                            const_cast<sock_filter*>(program.data())};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) ::_exit(99);
    if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0) ::_exit(99);
}

constexpr int kDone = 0;
constexpr int kRefused = 1;

using Act = Result<> (*)(Measure);

[[noreturn]] void act(Act what, Measure measure, int option, int code) {
    stand_in(option, code);
    ::_exit(what(measure).ok() ? kDone : kRefused);
}

void expect_end(Act what, Measure measure, int option, int code, int end) {
    EXPECT_EXIT(act(what, measure, option, code), testing::ExitedWithCode(end), "")
        << "where prctl(2) says " << code;
}

TEST(SideChannelsDeathTest, CoreSchedulingIsSilentWhereItIsNotDemanded) {
    for (const int code : {0, EINVAL, ENODEV}) {
        expect_end(&keep_cores_apart, Measure::kNone, PR_SCHED_CORE, code, kDone);
        expect_end(&keep_cores_apart, Measure::kWherePossible, PR_SCHED_CORE, code, kDone);
    }
    expect_end(&keep_cores_apart, Measure::kDemanded, PR_SCHED_CORE, 0, kDone);
    expect_end(&keep_cores_apart, Measure::kDemanded, PR_SCHED_CORE, EINVAL, kRefused);
    // Without SMT no core is shared.
    expect_end(&keep_cores_apart, Measure::kDemanded, PR_SCHED_CORE, ENODEV, kDone);
}

TEST(SideChannelsDeathTest, StoresAreWaitedForWhereThatIsPossible) {
    constexpr int kSet = PR_SET_SPECULATION_CTRL;
    for (const int code : {0, ENXIO, EPERM}) {
        expect_end(&wait_for_stores, Measure::kNone, kSet, code, kDone);
        expect_end(&wait_for_stores, Measure::kWherePossible, kSet, code, kDone);
    }
    expect_end(&wait_for_stores, Measure::kDemanded, kSet, 0, kDone);
    const int state = ::prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, 0, 0, 0);
    const bool is_safe = state == PR_SPEC_NOT_AFFECTED ||
                         (state > 0 && (static_cast<unsigned>(state) &
                                        (PR_SPEC_DISABLE | PR_SPEC_FORCE_DISABLE)) != 0);
    expect_end(&wait_for_stores, Measure::kDemanded, kSet, ENXIO, is_safe ? kDone : kRefused);
}

}  // namespace
