#include "rootfs/mkimage/sandbox.hpp"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/log.hpp"
#include "base/unique_fd.hpp"
#include "rootfs/mkimage/tool.hpp"

namespace {

// linux/landlock.h and linux/mount.h of Debian 12 are older than some of this.
struct Ruleset {
    uint64_t handled_access_fs;
    uint64_t handled_access_net;  // from version 4 on: bind and connect TCP
    uint64_t scoped;              // from version 6 on: abstract sockets, signals
};
struct __attribute__((packed)) PathBeneath {
    uint64_t allowed_access;
    int32_t parent_fd;
};
constexpr unsigned kPathBeneath = 1;
constexpr uint32_t kCreateRulesetVersion = 1;
// How many of the accesses to files, the lowest bits, each version of the interface knows.
constexpr std::array kFileAccesses{13U, 14U, 15U, 15U, 16U};
constexpr int kFirstWithLinks = 2;  // the first that can allow links from folder to folder
constexpr int kFirstWithNetwork = 4;
constexpr int kFirstWithScopes = 6;
// Bits of LANDLOCK_ACCESS_FS_*.
constexpr uint64_t kExecute = 1U << 0U;
constexpr uint64_t kRead = 1U << 2U | 1U << 3U;
constexpr uint64_t kMakeSocket = 1U << 9U;
constexpr uint64_t kIoctlDevice = 1U << 15U;

struct MountAttributes {
    uint64_t set;
    uint64_t clear;
    uint64_t propagation;
    uint64_t userns_fd;
};
constexpr unsigned kOpenTreeClone = 1;
constexpr unsigned kRecursive = 0x8000;  // AT_RECURSIVE
constexpr uint64_t kNoSetuid = 0x2;
constexpr uint64_t kNoDevices = 0x4;
constexpr uint64_t kNoExecution = 0x8;

Result<> close_all_but(std::vector<int> kept) {
    std::ranges::sort(kept);
    unsigned first = STDERR_FILENO + 1;
    for (const int fd : kept) {
        const auto number = static_cast<unsigned>(fd);
        if (fd < 0 || number < first) continue;
        if (number > first && ::syscall(SYS_close_range, first, number - 1, 0) != 0)
            return Error::from_errno("close_range", "Linux 5.9 or newer is needed");
        first = number + 1;
    }
    if (::syscall(SYS_close_range, first, UINT_MAX, 0) != 0)
        return Error::from_errno("close_range", "Linux 5.9 or newer is needed");
    return Ok{};
}

bool forbid_devices(int at, const char* path, unsigned flags) {
    MountAttributes attributes{
        .set = kNoSetuid | kNoDevices | kNoExecution, .clear = 0, .propagation = 0, .userns_fd = 0};
    return ::syscall(SYS_mount_setattr, at, path, flags, &attributes, sizeof(attributes)) == 0;
}

// With CAP_MKNOD a node of the host's disk is soon made. So a copy of the folder's mount, in which
// no device can be opened, takes its place, and no mount that a path leads to is without that
// either. Where mounts cannot be made, there is Landlock still.
void forbid_all_devices(int folder) {
    const UniqueFd copy(static_cast<int>(
        ::syscall(SYS_open_tree, folder, "", kOpenTreeClone | O_CLOEXEC | AT_EMPTY_PATH)));
    if (!copy || !forbid_devices(copy.get(), "", AT_EMPTY_PATH)) return;
    const UniqueFd open(::openat(copy.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!open || ::dup3(open.get(), folder, O_CLOEXEC) < 0) return;
    if (::unshare(CLONE_NEWNS) == 0 &&
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0)
        forbid_devices(AT_FDCWD, "/", kRecursive);
}

Result<> allow(int ruleset, int folder, uint64_t access) {
    const PathBeneath rule{access, folder};
    if (::syscall(SYS_landlock_add_rule, ruleset, kPathBeneath, &rule, 0) != 0)
        return Error::from_errno("landlock_add_rule");
    return Ok{};
}

Result<> restrict_files(const Confines& confines) {
    const auto version =
        static_cast<int>(::syscall(SYS_landlock_create_ruleset, nullptr, 0, kCreateRulesetVersion));
    if (version < kFirstWithLinks) return Ok{};
    const size_t index = std::min(static_cast<size_t>(version), kFileAccesses.size()) - 1;
    const uint64_t all = (uint64_t{1} << kFileAccesses[index]) - 1;
    const Ruleset rules{.handled_access_fs = all,
                        .handled_access_net = version >= kFirstWithNetwork ? 3U : 0U,
                        .scoped = version >= kFirstWithScopes ? 3U : 0U};
    const size_t size = version >= kFirstWithScopes    ? sizeof(rules)
                        : version >= kFirstWithNetwork ? offsetof(Ruleset, scoped)
                                                       : sizeof(rules.handled_access_fs);
    const UniqueFd ruleset(
        static_cast<int>(::syscall(SYS_landlock_create_ruleset, &rules, size, 0)));
    if (!ruleset) return Error::from_errno("landlock_create_ruleset");
    constexpr uint64_t kNotInTrees = kExecute | kMakeSocket | kIoctlDevice;
    TRY(allow(ruleset.get(), confines.folder, all & ~kNotInTrees));
    if (confines.readable >= 0) TRY(allow(ruleset.get(), confines.readable, kRead));
    if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0)
        return Error::from_errno("landlock_restrict_self");
    return Ok{};
}

// By system calls, as fakeroot would only play at it.
Result<> keep_capabilities_of_trees() {
    constexpr uint32_t kKept = 1U << CAP_CHOWN | 1U << CAP_DAC_OVERRIDE | 1U << CAP_FOWNER |
                               1U << CAP_FSETID | 1U << CAP_MKNOD | 1U << CAP_SETFCAP;
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
    if (::syscall(SYS_capget, &header, sets.data()) != 0) return Error::from_errno("capget");
    sets[0].permitted &= kKept;  // all are among the lowest 32
    sets[0].effective &= kKept;
    sets[0].inheritable = 0;
    sets[1] = {};
    if (::syscall(SYS_capset, &header, sets.data()) != 0) return Error::from_errno("capset");
    return Ok{};
}

// What leads out of the process, or to parts of the kernel that trees have no use for.
constexpr std::array kForbidden = {
    // network, and what would go around this filter
    SYS_socket,
    SYS_io_uring_setup,
    // other programs and processes
    SYS_execve,
    SYS_execveat,
    SYS_fork,
    SYS_vfork,
    SYS_clone,
    SYS_clone3,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kill,
    SYS_tkill,
    SYS_tgkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_pidfd_send_signal,
    SYS_pidfd_getfd,
    SYS_prlimit64,
    // mounts and namespaces
    SYS_mount,
    SYS_umount2,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_pivot_root,
    SYS_chroot,
    SYS_unshare,
    SYS_setns,
    SYS_open_by_handle_at,
    // large parts of the kernel
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_fanotify_init,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_personality,
};

sock_filter statement(unsigned code, uint32_t operand) {
    return {.code = static_cast<uint16_t>(code), .jt = 0, .jf = 0, .k = operand};
}

// Skips the next `skipped` instructions where the comparison does not hold.
sock_filter unless(unsigned comparison, uint32_t operand, uint8_t skipped) {
    return {.code = static_cast<uint16_t>(BPF_JMP | comparison | BPF_K),
            .jt = 0,
            .jf = skipped,
            .k = operand};
}

Result<> forbid_calls() {
    constexpr uint32_t kX32 = 0x40000000;  // __X32_SYSCALL_BIT: the same calls under other numbers
    std::vector<sock_filter> filter = {
        statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
        {.code = BPF_JMP | BPF_JEQ | BPF_K, .jt = 1, .jf = 0, .k = AUDIT_ARCH_X86_64},
        statement(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        unless(BPF_JGE, kX32, 1),
        statement(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
    for (const long call : kForbidden) {
        filter.push_back(unless(BPF_JEQ, static_cast<uint32_t>(call), 1));
        filter.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM));
    }
    filter.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    const sock_fprog program{.len = static_cast<uint16_t>(filter.size()), .filter = filter.data()};
    if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
        return Error::from_errno("seccomp");
    return Ok{};
}

Result<> confine(const Confines& confines, const Job& job) {
    TRY(close_all_but({confines.folder, confines.readable, confines.archive, job.interrupt.fd()}));
    const rlimit none{0, 0};
    if (::setrlimit(RLIMIT_CORE, &none) != 0) return Error::from_errno("setrlimit");
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return Error::from_errno("prctl(PR_SET_NO_NEW_PRIVS)");
    forbid_all_devices(confines.folder);
    TRY(restrict_files(confines));
    TRY(keep_capabilities_of_trees());
    return forbid_calls();
}

[[noreturn]] void run_in_child(const Confines& confines, const std::function<Result<>()>& work,
                               Job& job, pid_t parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    const auto confined = confine(confines, job);
    const auto done = confined.ok() ? work() : confined;
    job.progress.clear();
    if (done.ok()) ::_exit(0);
    if (job.interrupt.signal() == 0) log_error(done.error());
    ::_exit(1);
}

}  // namespace

Result<> run_confined(const Confines& confines, const std::function<Result<>()>& work, Job& job) {
    TRY(job.interrupt.check());
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) return Error::from_errno("fork");
    if (child == 0) run_in_child(confines, work, job, parent);
    const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
    std::array<pollfd, 2> events{pollfd{process.get(), POLLIN, 0},
                                 pollfd{job.interrupt.fd(), POLLIN, 0}};
    while (process && ::poll(events.data(), events.size(), -1) < 0 && errno == EINTR) {
    }
    // What it has made is ours to remove; it has nothing to end in order.
    if (!process || !job.interrupt.check().ok()) ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    TRY(job.interrupt.check());
    if (WIFEXITED(status)) return WEXITSTATUS(status) == 0 ? Result<>(Ok{}) : said();
    return Error{"the reader of archives", 0, "was killed; the archive may be made to break it"};
}
