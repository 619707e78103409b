#include "monitor/doctor/answers.hpp"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "base/restricted_uring.hpp"
#include "base/unique_fd.hpp"
#include "jailer/namespaces.hpp"
#include "monitor/auto_net/trial.hpp"

namespace {

int code_of(const Result<>& result) {
    return result.ok() ? 0 : result.error().code;
}

// What the filters return for calls that they do not allow.
int ask_seccomp() {
    for (const uint32_t action : {SECCOMP_RET_TRAP, SECCOMP_RET_KILL_PROCESS})
        if (::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0) return errno;
    return 0;
}

int ask_landlock() {
    constexpr uint32_t kVersion = 1;  // LANDLOCK_CREATE_RULESET_VERSION
    const auto version =
        static_cast<int>(::syscall(SYS_landlock_create_ruleset, nullptr, 0, kVersion));
    return version < 0 ? -errno : version;
}

int ask_core_scheduling() {
    constexpr int kSchedCore = 62;  // PR_SCHED_CORE, of Linux 5.14
    uint64_t cookie = 0;
    return ::prctl(kSchedCore, 0 /*GET*/, 0, 0 /*THREAD*/, &cookie) == 0 ? 0 : errno;
}

int ask_tun() {
    const UniqueFd tun(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
    return tun ? 0 : errno;
}

std::optional<Error> ask_ring() {
    const auto ring = RestrictedUring::create(8, RingFiles::kFixed);
    if (!ring.ok()) return ring.error();
    const auto enabled = ring.value()->enable({});
    return enabled.ok() ? std::nullopt : std::optional(enabled.error());
}

uint64_t limit_of(decltype(RLIMIT_NOFILE) resource) {
    rlimit limit{};
    return ::getrlimit(resource, &limit) == 0 ? limit.rlim_cur : 0;
}

Trial try_here() {
    Trial trial;
    if (::geteuid() != 0) trial.user_namespace = code_of(enter_user_namespace({0, 0}));
    if (trial.user_namespace != 0) return trial;
    if (::unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWPID) != 0) {
        trial.namespaces = errno;
        return trial;
    }
    trial.tap = code_of(try_tap());
    trial.rules = code_of(try_rules());
    return trial;
}

// In a child, whose answer comes by a pipe.
Trial try_apart() {
    Trial trial{.user_namespace = ECHILD, .namespaces = ECHILD, .tap = ECHILD, .rules = ECHILD};
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return trial;
    const UniqueFd reader(ends[0]);
    UniqueFd writer(ends[1]);
    const pid_t child = ::fork();
    if (child == 0) {
        const Trial found = try_here();
        static_cast<void>(::write(writer.get(), &found, sizeof(found)) != 0);
        ::_exit(0);
    }
    writer = UniqueFd();
    Trial found;
    if (child > 0 && ::read(reader.get(), &found, sizeof(found)) == sizeof(found)) trial = found;
    if (child > 0) ::waitpid(child, nullptr, 0);
    return trial;
}

}  // namespace

Answers ask_kernel() {
    Answers answers;
    answers.trial = try_apart();  // the first, while this process holds nothing
    answers.user = ::geteuid();
    utsname system{};
    if (::uname(&system) == 0) answers.release = static_cast<const char*>(system.release);
    answers.kvm = survey_kvm();
    answers.seccomp = ask_seccomp();
    answers.landlock = ask_landlock();
    answers.core_scheduling = ask_core_scheduling();
    answers.ring = ask_ring();
    answers.tun = ask_tun();
    answers.open_files = limit_of(RLIMIT_NOFILE);
    answers.locked_bytes = limit_of(RLIMIT_MEMLOCK);
    return answers;
}
