/* Runs AS a thread of a running VM, under its real filters, and tries what an attacker who has
 * taken it over would try next. Each attempt would succeed, or come as far as errno says, in a
 * thread that has no filter: `idle` is a process to compare with.
 *
 * usage:
 *   as-thread idle                      is taken over, or a victim
 *   as-thread calls TID VICTIM FIRST    calls from number FIRST on; VICTIM is another process
 *   as-thread lifeline TID FIRST FD...  calls about descriptors that hold a network's rules
 *   as-thread ring TID                  requests through the thread's io_uring
 *   as-thread new-ring TID              requests through one that it makes
 *
 * A line per attempt: "NAME: SUCCEEDED", "NAME: denied (trapped)" by its filter, "(EACCES)" and
 * such by the kernel, or "(killed)" with the whole process, after which this program ends. Ends
 * with the number that succeeded. */
#define _GNU_SOURCE
#include "as_thread.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/keyctl.h>
#include <linux/kvm.h>
#include <linux/netlink.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct Thread thread;
static int first, number_of_attempt, successes;

/* What calls point at, in the thread's memory. */
static struct Memory {
    char zeros[256], ring[256], context[8];
    char empty[8], root[8], name[8], file[16], own[32], others[64];
    struct iovec here, nowhere;
    struct rlimit much;
    siginfo_t info;
    char buffer[256];
} contents = {
    .root = "/",
    .name = "x",
    .file = "/etc/passwd",
    .own = "/proc/self/mem",
    .much = {1 << 30, 1 << 30},
    .info = {.si_signo = SIGSTOP, .si_code = SI_QUEUE},
};
_Static_assert(sizeof(struct Memory) <= kPage, "what calls point at has no room");
#define AT(member) (thread.memory + offsetof(struct Memory, member))
#define PAGE (thread.memory + kPage) /* another page of its stack */

void say(const char* name, struct Outcome outcome, int nearly) {
    const int error = outcome.kind == RETURNED && outcome.value < 0 && outcome.value > -4096
                          ? (int)-outcome.value
                          : 0;
    if (outcome.kind == RETURNED && (error == 0 || error == nearly)) {
        printf("%s: SUCCEEDED\n", name);
        ++successes;
        return;
    }
    const char* const why = outcome.kind == TRAPPED    ? "trapped"
                            : outcome.kind == KILLED   ? "killed"
                            : outcome.kind == RETURNED ? strerrorname_np(error)
                                                       : sigabbrev_np((int)outcome.value);
    printf("%s: denied (%s)\n", name, why);
    if (outcome.kind == KILLED) exit(successes);
}

static int is_its_turn(void) {
    return number_of_attempt++ >= first;
}

/* `nearly`: the error that says that nothing but the arguments was wrong; 0: none does. */
static void attempt(const char* name, int nearly, long number, const unsigned long arguments[6]) {
    if (is_its_turn()) say(name, thread_call(&thread, number, arguments), nearly);
}
#define TRY(name, nearly, number, ...) \
    attempt(name, nearly, number, (const unsigned long[6]){__VA_ARGS__})
#define NONE ((unsigned long)-1)

static void try_files(void) {
    TRY("open a file", 0, SYS_open, AT(file), O_RDONLY);
    TRY("open a file by openat", 0, SYS_openat, AT_FDCWD, AT(file), O_RDONLY);
    TRY("open a file by openat2", 0, SYS_openat2, AT_FDCWD, AT(file), AT(zeros), 24);
    TRY("open its own memory", 0, SYS_open, AT(own), O_RDWR);
    TRY("open another's memory", 0, SYS_open, AT(others), O_RDWR);
    TRY("open another's memory by openat", 0, SYS_openat, AT_FDCWD, AT(others), O_RDWR);
    TRY("open a folder for a nameless file", 0, SYS_open, AT(root), O_TMPFILE | O_RDWR, 0600);
    TRY("create a file", EISDIR, SYS_creat, AT(root), 0600);
    TRY("make a folder", EEXIST, SYS_mkdir, AT(root), 0700);
    TRY("make a node", EEXIST, SYS_mknod, AT(root), S_IFIFO, 0);
    TRY("make a link", EEXIST, SYS_symlink, AT(name), AT(root));
    TRY("remove a file", ENOENT, SYS_unlink, AT(empty));
    TRY("rename a file", ENOENT, SYS_rename, AT(empty), AT(empty));
    TRY("change a file's mode", ENOENT, SYS_chmod, AT(empty), 0);
    TRY("change a file's owner", ENOENT, SYS_chown, AT(empty), 0, 0);
    TRY("cut a file", ENOENT, SYS_truncate, AT(empty), 0);
    TRY("list a folder", EBADF, SYS_getdents64, NONE, AT(buffer), 256);
    TRY("enter a folder", 0, SYS_chdir, AT(root));
    TRY("make a file of memory", 0, SYS_memfd_create, AT(name), 0);
    TRY("duplicate a descriptor", 0, SYS_dup, 0);
    TRY("put a descriptor elsewhere", 0, SYS_dup3, 0, 100, 0);
    TRY("duplicate by fcntl", 0, SYS_fcntl, 0, F_DUPFD, 0);
    TRY("find a place in a file", 0, SYS_lseek, 0, 0, SEEK_CUR);
    TRY("read at a place", 0, SYS_pread64, 0, AT(buffer), 0, 0);
    TRY("write at a place", EBADF, SYS_pwrite64, NONE, AT(buffer), 0, 0);
    TRY("copy by sendfile", EBADF, SYS_sendfile, NONE, NONE, 0, 1);
    TRY("copy by splice", EBADF, SYS_splice, NONE, 0, NONE, 0, 1, 0);
    TRY("put memory into a pipe", EBADF, SYS_vmsplice, NONE, AT(here), 1, 0);
    TRY("asynchronous I/O", 0, SYS_io_setup, 1, AT(context));
    TRY("watch files", 0, SYS_inotify_init);
}

static void try_processes(void) {
    TRY("execute a program", ENOENT, SYS_execve, AT(empty), 0, 0);
    TRY("execute a descriptor", EBADF, SYS_execveat, NONE, AT(empty), 0, 0, AT_EMPTY_PATH);
    TRY("fork", 0, SYS_fork);
    TRY("vfork", 0, SYS_vfork);
    TRY("clone", 0, SYS_clone, SIGCHLD);
    TRY("clone into a user namespace", 0, SYS_clone, SIGCHLD | CLONE_NEWUSER);
    /* A thread's own flags (musl.policy) but one. */
    TRY("clone with a thread's memory", 0, SYS_clone, 0x7d0f00 & ~CLONE_THREAD);
    TRY("clone3", EINVAL, SYS_clone3, 0, 0);
    TRY("leave namespaces", 0, SYS_unshare, 0);
    TRY("enter a namespace", EBADF, SYS_setns, NONE, 0);
    TRY("mount", ENOENT, SYS_mount, AT(empty), AT(empty), AT(name), 0, 0);
    TRY("unmount", ENOENT, SYS_umount2, AT(empty), 0);
    TRY("mount by fsopen", ENODEV, SYS_fsopen, AT(name), 0);
    TRY("pivot out of the root", ENOENT, SYS_pivot_root, AT(empty), AT(empty));
    TRY("change the root", ENOENT, SYS_chroot, AT(empty));
    TRY("become root", 0, SYS_setuid, 0);
    TRY("take capabilities", EFAULT, SYS_capset, 0, 0);
    TRY("allow core dumps", 0, SYS_prctl, PR_SET_DUMPABLE, 1);
    TRY("allow somebody to trace", EINVAL, SYS_prctl, PR_SET_PTRACER, 1);
    TRY("redirect system calls", 0, SYS_prctl, PR_SET_SYSCALL_USER_DISPATCH, 0, 0, 0, 0);
    TRY("raise the limit of dumps", 0, SYS_setrlimit, RLIMIT_CORE, AT(much));
    TRY("raise it by prlimit", 0, SYS_prlimit64, 0, RLIMIT_CORE, AT(much), 0);
    TRY("put memory into dumps", 0, SYS_madvise, PAGE, kPage, MADV_DODUMP);
    TRY("change personality", 0, SYS_personality, READ_IMPLIES_EXEC);
    TRY("a filter of its own", EFAULT, SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, 0);
    TRY("filters by prctl", EFAULT, SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 0);
}

static void try_memory(void) {
    const unsigned long high = 1UL << 32;
    const unsigned long anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
    const unsigned long all = PROT_READ | PROT_WRITE | PROT_EXEC;
    TRY("map executable memory", 0, SYS_mmap, 0, kPage, all, anonymous, NONE, 0);
    TRY("map it with another bit", EINVAL, SYS_mmap, 0, kPage, all | high, anonymous, NONE, 0);
    TRY("map its stack anew", 0, SYS_mmap, PAGE, kPage, PROT_READ | PROT_EXEC,
        anonymous | MAP_FIXED, NONE, 0);
    TRY("make memory executable", 0, SYS_mprotect, PAGE, kPage, all);
    TRY("make it so with a key", 0, SYS_pkey_mprotect, PAGE, kPage, all, NONE);
    TRY("move memory over other", 0, SYS_mremap, PAGE, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED,
        PAGE - 16 * kPage);
    TRY("attach shared memory", EINVAL, SYS_shmat, NONE, 0, 0);
    TRY("handle page faults", 0, SYS_userfaultfd, 0);
    TRY("merge pages", EINVAL, SYS_prctl, 67 /* PR_SET_MEMORY_MERGE */, 0, 0, 0, 0);
}

static void try_signals(unsigned long victim) {
    const unsigned long high = 1UL << 32;
    TRY("stop another process", 0, SYS_kill, victim, SIGSTOP);
    TRY("stop its thread", 0, SYS_tkill, victim, SIGSTOP);
    TRY("stop it by its group", 0, SYS_tgkill, victim, victim, SIGSTOP);
    TRY("kick it", 0, SYS_tgkill, victim, victim, SIGRTMAX);
    TRY("kick it with another bit", 0, SYS_tgkill, victim | high, victim, SIGRTMAX);
    TRY("stop it with a value", 0, SYS_rt_sigqueueinfo, victim, SIGSTOP, AT(info));
    TRY("stop its thread with a value", 0, SYS_rt_tgsigqueueinfo, victim, victim, SIGSTOP,
        AT(info));
    TRY("signal the first process", 0, SYS_kill, 1, 0);
    TRY("kick the first process", 0, SYS_tgkill, 1, 1, 0);
    TRY("signal all processes", 0, SYS_kill, NONE, 0);
    TRY("hold a process", 0, SYS_pidfd_open, victim, 0);
    TRY("signal one that is held", EBADF, SYS_pidfd_send_signal, NONE, SIGKILL, 0, 0);
    TRY("take one's descriptor", EBADF, SYS_pidfd_getfd, NONE, 0, 0);
    TRY("have a file signal it", 0, SYS_fcntl, 0, F_SETOWN, victim);
    TRY("choose that signal", 0, SYS_fcntl, 0, F_SETSIG, SIGKILL);
    TRY("have a socket signal it", ENOTTY, SYS_ioctl, 0, FIOSETOWN, AT(info));
    TRY("have a timer signal", 0, SYS_timer_create, CLOCK_MONOTONIC, 0, AT(buffer));
    TRY("trace another process", 0, SYS_ptrace, PTRACE_SEIZE, victim, 0, 0);
    TRY("read its memory", EFAULT, SYS_process_vm_readv, victim, AT(here), 1, AT(nowhere), 1, 0);
    TRY("write its memory", EFAULT, SYS_process_vm_writev, victim, AT(here), 1, AT(nowhere), 1, 0);
    TRY("change its limits", 0, SYS_prlimit64, victim, RLIMIT_CORE, AT(much), 0);
    TRY("change its priority", 0, SYS_setpriority, PRIO_PROCESS, victim, 1);
    TRY("change its processors", EFAULT, SYS_sched_setaffinity, victim, 8, 8);
    TRY("leave the session", EPERM, SYS_setsid);
    TRY("kick a thread of its own", 0, SYS_tgkill, (unsigned long)thread.process,
        (unsigned long)thread.id, SIGRTMAX);
    TRY("send it another signal", 0, SYS_tgkill, (unsigned long)thread.process,
        (unsigned long)thread.id, SIGWINCH);
}

static void try_network(void) {
    TRY("a socket of TCP", 0, SYS_socket, AF_INET, SOCK_STREAM, 0);
    TRY("a socket of UDP", 0, SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    TRY("a socket of this host", 0, SYS_socket, AF_UNIX, SOCK_STREAM, 0);
    TRY("a socket of netlink", 0, SYS_socket, AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
    TRY("a socket of frames", 0, SYS_socket, AF_PACKET, SOCK_RAW, 0);
    TRY("a pair of sockets", 0, SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, AT(buffer));
    TRY("connect", EBADF, SYS_connect, NONE, AT(zeros), 16);
    TRY("bind", EBADF, SYS_bind, NONE, AT(zeros), 16);
    TRY("listen", EBADF, SYS_listen, NONE, 1);
    TRY("send to an address", EBADF, SYS_sendto, NONE, AT(buffer), 1, MSG_DONTWAIT | MSG_NOSIGNAL,
        AT(zeros), 16);
    TRY("send descriptors", EBADF, SYS_sendmsg, NONE, AT(zeros), 0);
    TRY("receive descriptors", EBADF, SYS_recvmsg, NONE, AT(zeros), 0);
    TRY("set an option", EBADF, SYS_setsockopt, NONE, 0, 0, 0, 0);
}

static void try_kernel(void) {
    TRY("load a BPF program", EFAULT, SYS_bpf, 5, 0, 64);
    TRY("count events", EFAULT, SYS_perf_event_open, 0, 0, NONE, NONE, 0);
    TRY("find keys", ENOKEY, SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
    TRY("add a key", EFAULT, SYS_add_key, 0, 0, 0, 0, 0);
    TRY("make a ring", 0, SYS_io_uring_setup, 1, AT(ring));
    TRY("register with a ring", EOPNOTSUPP, SYS_io_uring_register, 0, 2, AT(zeros), 1);
    TRY("load a module", EFAULT, SYS_init_module, 0, 0, 0);
    TRY("reboot", EINVAL, SYS_reboot, 0, 0, 0, 0);
    TRY("swap", ENOENT, SYS_swapon, AT(empty), 0);
    TRY("use ports", 0, SYS_iopl, 0);
    TRY("read the kernel's log", 0, SYS_syslog, 10, 0, 0);
    TRY("name the host", EINVAL, SYS_sethostname, 0, 1000);
    TRY("set the time", 0, SYS_settimeofday, 0, 0);
    TRY("make segments", 0, SYS_modify_ldt, 0, AT(buffer), 0);
    TRY("a sandbox of its own", EBADF, SYS_landlock_restrict_self, NONE, 0);
}

static void try_devices(void) {
    const unsigned long high = 1UL << 32;
    TRY("type into the terminal", ENOTTY, SYS_ioctl, 0, TIOCSTI, AT(name));
    TRY("type with another bit", ENOTTY, SYS_ioctl, 0, TIOCSTI | high, AT(name));
    TRY("take the terminal", ENOTTY, SYS_ioctl, 0, TIOCSCTTY, 1);
    TRY("set another terminal", ENOTTY, SYS_ioctl, 1, TCSETS, AT(zeros));
    TRY("take an interface", ENOTTY, SYS_ioctl, 0, TUNSETIFF, AT(zeros));
    TRY("keep an interface", ENOTTY, SYS_ioctl, 0, TUNSETPERSIST, 1);
    TRY("give an interface away", ENOTTY, SYS_ioctl, 0, TUNSETOWNER, 1);
    static const struct {
        const char* name;
        unsigned long request;
    } kOfKvm[] = {
        {"KVM_CREATE_VM", KVM_CREATE_VM},
        {"KVM_CREATE_VCPU", KVM_CREATE_VCPU},
        {"KVM_CREATE_DEVICE", KVM_CREATE_DEVICE},
        {"KVM_SET_USER_MEMORY_REGION", KVM_SET_USER_MEMORY_REGION},
        {"KVM_GET_DIRTY_LOG", KVM_GET_DIRTY_LOG},
        {"KVM_IRQFD", KVM_IRQFD},
        {"KVM_IOEVENTFD", KVM_IOEVENTFD},
        {"KVM_SIGNAL_MSI", KVM_SIGNAL_MSI},
        {"KVM_ENABLE_CAP", KVM_ENABLE_CAP},
        {"KVM_SET_REGS", KVM_SET_REGS},
        {"KVM_SET_SREGS", KVM_SET_SREGS},
        {"KVM_SET_MSRS", KVM_SET_MSRS},
        {"KVM_SET_CPUID2", KVM_SET_CPUID2},
        {"KVM_SET_NESTED_STATE", KVM_SET_NESTED_STATE},
        {"KVM_SET_GUEST_DEBUG", KVM_SET_GUEST_DEBUG},
        {"KVM_SMI", KVM_SMI},
    };
    for (size_t i = 0; i < sizeof(kOfKvm) / sizeof(kOfKvm[0]); ++i)
        TRY(kOfKvm[i].name, EBADF, SYS_ioctl, NONE, kOfKvm[i].request, 0);
}

/* Each of them is to end the process, so they come last. */
static void try_architectures(void) {
    static const unsigned long kNothing[6];
    TRY("a call of x32", ENOSYS, SYS_write | 0x40000000, 1, AT(buffer), 0);
    TRY("a call of x32 that opens", ENOSYS, SYS_open | 0x40000000, AT(file), O_RDONLY);
    if (is_its_turn()) say("a call of 32 bits", thread_call_as_32_bits(&thread, 20, kNothing), 0);
    if (is_its_turn()) /* exit(2) of i386: what it has for write(2) of this one */
        say("a number of 32 bits that is another call here",
            thread_call_as_32_bits(&thread, 4, kNothing), EBADF);
}

static int try_calls(pid_t victim) {
    snprintf(contents.others, sizeof(contents.others), "/proc/%d/mem", victim);
    contents.here.iov_base = (void*)AT(buffer);
    contents.here.iov_len = contents.nowhere.iov_len = 1;
    contents.nowhere.iov_base = (void*)8;
    thread_write(&thread, thread.memory, &contents, sizeof(contents));
    try_files();
    try_processes();
    try_memory();
    try_signals((unsigned long)victim);
    try_network();
    try_kernel();
    try_devices();
    try_architectures();
    return successes;
}

static int try_lifeline(char** descriptors) {
    for (; *descriptors != NULL; ++descriptors) {
        const unsigned long fd = strtoul(*descriptors, NULL, 10);
        TRY("read what holds the rules", 0, SYS_read, fd, AT(buffer), 0);
        TRY("write to it", 0, SYS_write, fd, AT(buffer), 1);
        TRY("send by it", 0, SYS_sendto, fd, AT(buffer), 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        TRY("control it", 0, SYS_ioctl, fd, FIONREAD, AT(buffer));
        TRY("duplicate it", 0, SYS_dup, fd);
        TRY("put something in its place", 0, SYS_dup3, 0, fd, 0);
        TRY("shut it down", 0, SYS_shutdown, fd, SHUT_RDWR);
        TRY("close it", 0, SYS_close, fd);
    }
    TRY("close all", 0, SYS_close_range, 0, UINT32_MAX, 0);
    TRY("share descriptors no more", 0, SYS_unshare, CLONE_FILES);
    /* The end of the first thread would be told when all have ended. */
    if (thread.tid != thread.tgid) TRY("end the thread that holds them", 0, SYS_exit, 0);
    return successes;
}

static _Noreturn void idle(void) {
    signal(SIGRTMAX, SIG_IGN);
    puts("idle");
    fflush(stdout);
    for (;;) pause();
}

int main(int argc, char** argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "idle") == 0) idle();
    if (argc < 3) return 100;
    thread_seize(&thread, atoi(argv[2]));
    if (argc == 5 && strcmp(argv[1], "calls") == 0) {
        first = atoi(argv[4]);
        try_calls(atoi(argv[3]));
    } else if (argc >= 4 && strcmp(argv[1], "lifeline") == 0) {
        first = atoi(argv[3]);
        try_lifeline(argv + 4);
    } else if (argc == 3 && strcmp(argv[1], "ring") == 0) {
        try_ring(&thread);
    } else if (argc == 3 && strcmp(argv[1], "new-ring") == 0) {
        try_new_ring(&thread);
    } else {
        return 100;
    }
    thread_release(&thread);
    return successes;
}
