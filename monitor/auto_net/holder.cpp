#include "monitor/auto_net/holder.hpp"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>

#include "base/thread.hpp"
#include "jailer/files.hpp"

namespace {

// pause(2) and nothing else. Not one of the policies, which are for threads that do something, and
// which a user may replace.
Result<> allow_only_to_sleep() {
    std::array code{
        sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 3),
        sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pause, 0, 1),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    const sock_fprog filter{.len = code.size(), .filter = code.data()};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return Error::from_errno("PR_SET_NO_NEW_PRIVS");
    if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0)
        return Error::from_errno("seccomp");
    return Ok{};
}

// All of them, also those that a C library keeps for itself and its own functions leave out.
void block_every_signal() {
    const uint64_t every = UINT64_MAX;
    ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &every, nullptr, sizeof(every));
}

Result<> hold(const std::vector<int>& kept) {
    block_every_signal();
    if (::unshare(CLONE_FILES) != 0) return Error::from_errno("unshare(CLONE_FILES)");
    TRY(close_all_but(kept));
    return allow_only_to_sleep();
}

// What the two threads share until the new one sleeps: from `is_over` on it is the first's alone.
struct Handover {
    std::vector<int> kept;
    Result<> done = Ok{};
    std::atomic<bool> is_over{false};
};

}  // namespace

std::vector<int> Holder::descriptors() const {
    std::vector<int> numbers;
    for (const UniqueFd& fd : kept_) numbers.push_back(fd.get());
    return numbers;
}

Result<> Holder::start() && {
    if (kept_.empty()) return Ok{};
    Handover handover{.kept = descriptors()};
    auto thread = TRY(Thread::start("holder", [&handover] {
        handover.done = hold(handover.kept);
        const bool holds = handover.done.ok();
        handover.is_over.store(true, std::memory_order_release);  // acquired by start()
        if (!holds) return;
        for (;;) ::syscall(SYS_pause);
    }));
    // It has no call left by which to wake this thread.
    while (!handover.is_over.load(std::memory_order_acquire)) ::sched_yield();
    TRY(handover.done);
    // Never joined: it has no end of its own.
    static_cast<void>(new Thread(std::move(thread)));  // NOLINT(cppcoreguidelines-owning-memory)
    kept_.clear();
    return Ok{};
}
