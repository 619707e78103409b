/* A program in the monitor's position: it owns the process inside a jail, with no filter on it, and
 * tries what an attacker would. Prints one line per attempt, "NAME: denied (reason)" or "NAME:
 * SUCCEEDED"; ends with the number that succeeded. usage: attack HOST_PID HOST_PORT | attack forks
 * | attack memory | attack report */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/keyctl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/perf_event.h>
#include <linux/random.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char** environ;
static int successes;

static void attempt(const char* name, long result) {
    if (result >= 0) {
        printf("%s: SUCCEEDED\n", name);
        ++successes;
    } else {
        printf("%s: denied (%s)\n", name, strerror(errno));
    }
}

static long connect_tcp(int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd < 0 ? -1 : connect(fd, (struct sockaddr*)&to, sizeof(to));
}

static long connect_abstract(void) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    memcpy(to.sun_path, "\0mayfly-attack", 14);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return fd < 0 ? -1 : connect(fd, (struct sockaddr*)&to, (socklen_t)(sizeof(sa_family_t) + 14));
}

static long send_to_abstract(void) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    memcpy(to.sun_path, "\0mayfly-datagrams", 17);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    return sendto(fd, "x", 1, 0, (struct sockaddr*)&to, (socklen_t)(sizeof(sa_family_t) + 17));
}

static long send_anywhere(const char* address) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    inet_pton(AF_INET, address, &to.sin_addr);
    return sendto(socket(AF_INET, SOCK_DGRAM, 0), "x", 1, 0, (struct sockaddr*)&to, sizeof(to));
}

/* What the kernel answers to one request. */
static long ask_netlink(int protocol, unsigned short type, unsigned short flags, const void* body,
                        size_t size) {
    struct {
        struct nlmsghdr header;
        char body[64];
    } request = {.header = {.nlmsg_len = (unsigned)(sizeof(struct nlmsghdr) + size),
                            .nlmsg_type = type,
                            .nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK | flags)}};
    memcpy(request.body, body, size);
    int fd = socket(AF_NETLINK, SOCK_RAW, protocol);
    if (fd < 0 || send(fd, &request, request.header.nlmsg_len, 0) < 0) return -1;
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char rest[1024];
    } answer;
    if (recv(fd, &answer, sizeof(answer), 0) < 0) return -1;
    if (answer.header.nlmsg_type != NLMSG_ERROR) return 0;
    errno = -answer.error.error;
    return errno == 0 ? 0 : -1;
}

static long set_an_interface_up(void) {
    const struct ifinfomsg loopback = {.ifi_index = 1, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    return ask_netlink(NETLINK_ROUTE, RTM_NEWLINK, 0, &loopback, sizeof(loopback));
}

static long list_rules(void) {
    const struct nfgenmsg tables = {.nfgen_family = AF_UNSPEC};
    return ask_netlink(NETLINK_NETFILTER, NFNL_SUBSYS_NFTABLES << 8 | 1 /* NFT_MSG_GETTABLE */,
                       NLM_F_DUMP, &tables, sizeof(tables));
}

static long take_an_interface(void) {
    struct ifreq request = {.ifr_name = "mfattack", .ifr_flags = IFF_TAP | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR);
    return fd < 0 ? -1 : ioctl(fd, TUNSETIFF, &request);
}

/* A key that the caller's session has. */
static long read_a_key(void) {
    char content[64];
    const long key =
        syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "mayfly-attack", 0);
    return key < 0 ? -1 : syscall(SYS_keyctl, KEYCTL_READ, key, content, sizeof(content));
}

/* The kernel does it, when something is in a pipe. It says to nobody whether it may: the process
 * lives, or does not. */
static long signal_by_a_pipe(pid_t host) {
    int ends[2];
    if (pipe(ends) != 0 || fcntl(ends[0], F_SETOWN, host) != 0) return -1;
    if (fcntl(ends[0], F_SETSIG, SIGKILL) != 0 || fcntl(ends[0], F_SETFL, O_ASYNC) != 0) return -1;
    if (write(ends[1], "x", 1) != 1) return -1;
    errno = EINPROGRESS;
    return -1;
}

static long signal_by_a_descriptor(pid_t host) {
    const int fd = (int)syscall(SYS_pidfd_open, host, 0);
    return fd < 0 ? -1 : syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0);
}

static long take_a_descriptor(pid_t host) {
    const int fd = (int)syscall(SYS_pidfd_open, host, 0);
    return fd < 0 ? -1 : syscall(SYS_pidfd_getfd, fd, 0, 0);
}

static long open_of_a_process(pid_t host, const char* name) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", host, name);
    return open(path, O_RDONLY);
}

static void attack_processes(pid_t host) {
    siginfo_t info = {.si_signo = SIGTERM, .si_code = SI_QUEUE};
    struct perf_event_attr event = {.type = PERF_TYPE_SOFTWARE, .size = sizeof(event)};
    attempt("read another's environment", open_of_a_process(host, "environ"));
    attempt("read another's memory by a file", open_of_a_process(host, "mem"));
    attempt("signal a thread of the host", syscall(SYS_tgkill, host, host, SIGTERM));
    attempt("signal it with a value", syscall(SYS_rt_sigqueueinfo, host, SIGTERM, &info));
    attempt("signal it by a descriptor", signal_by_a_descriptor(host));
    attempt("signal it by a pipe", signal_by_a_pipe(host));
    attempt("take its descriptor", take_a_descriptor(host));
    attempt("compare its descriptors", syscall(SYS_kcmp, host, getpid(), 2, 0, 0));
    attempt("change its limits", prlimit(host, RLIMIT_CORE, &(struct rlimit){0, 0}, NULL));
    attempt("change its priority", setpriority(PRIO_PROCESS, (id_t)host, 19));
    cpu_set_t processors;
    sched_getaffinity(0, sizeof(processors), &processors);
    attempt("change its processors", sched_setaffinity(host, sizeof(processors), &processors));
    attempt("move its pages", syscall(SYS_move_pages, host, 0, NULL, NULL, NULL, 0));
    attempt("count its events", syscall(SYS_perf_event_open, &event, host, -1, -1, 0));
    attempt("attach the host's shared memory", shmget(0x4d61, 0, 0));
    attempt("read a key of the caller's session", read_a_key());
}

static void attack_network(void) {
    attempt("send to an abstract socket of the host", send_to_abstract());
    attempt("send to the host by UDP", send_anywhere("127.0.0.1"));
    attempt("send to anybody by UDP", send_anywhere("192.0.2.1"));
    attempt("make a socket of raw packets", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
    attempt("make a socket of frames", socket(AF_PACKET, SOCK_RAW, 0));
    attempt("set an interface up", set_an_interface_up());
    attempt("list rules", list_rules());
    attempt("take an interface", take_an_interface());
}

static void attack_devices(void) {
    int count = 1;
    attempt("claim entropy", ioctl(open("/dev/urandom", O_RDWR), RNDADDTOENTCNT, &count));
    attempt("mount by fsopen", syscall(SYS_fsopen, "tmpfs", 0));
    attempt("copy a tree of mounts", syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE));
    struct file_handle* const handle = calloc(1, sizeof(*handle) + 8);
    handle->handle_bytes = 8;
    attempt("open a file by its handle", open_by_handle_at(AT_FDCWD, handle, O_RDONLY));
    attempt("swap", syscall(SYS_swapon, "/dev/kvm", 0));
    attempt("use ports", syscall(SYS_iopl, 3));
    struct timeval now;
    gettimeofday(&now, NULL);
    attempt("set the time", settimeofday(&now, NULL));
    attempt("account processes", syscall(SYS_acct, NULL));
    attempt("load another kernel", syscall(SYS_kexec_load, 0, 0, NULL, 0));
}

/* Climbs with a root that is below the working directory: the classic way out of chroot(2). */
static long climb_out(void) {
    if (mkdir("/run/x", 0700) != 0 || chroot("/run/x") != 0) return -1;
    for (int i = 0; i < 64; ++i)
        if (chdir("..") != 0) return -1;
    return chroot(".") != 0 ? -1 : open("etc/passwd", O_RDONLY);
}

/* All capabilities, in a user namespace of its own; and then what they are good for. */
static long from_a_user_namespace(void) {
    pid_t child = fork();
    if (child < 0) return -1;
    if (child == 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) _exit(errno);
        mkdir("/run/p", 0700);
        if (mount("proc", "/run/p", "proc", 0, NULL) == 0) _exit(0);
        if (mknod("/run/sda", S_IFBLK | 0600, makedev(8, 0)) == 0) _exit(0);
        _exit(errno);
    }
    int status = 0;
    waitpid(child, &status, 0);
    errno = WEXITSTATUS(status);
    return errno == 0 ? 0 : -1;
}

static void attack_all(pid_t host, int port) {
    attempt("open a file of the host", open("/etc/passwd", O_RDONLY));
    attempt("open upwards", open("../../../../../../../../etc/passwd", O_RDONLY));
    attempt("read another jail", open("/../../other/root/dev/kvm", O_RDWR));
    attempt("open /proc", open("/proc/self/exe", O_RDONLY));
    attempt("open the root of the first process", open("/proc/1/root", O_RDONLY));
    attempt("connect to the host by TCP", connect_tcp(port));
    attempt("connect to the host by an abstract socket", connect_abstract());
    attempt("execute a shell", execl("/bin/sh", "sh", "-c", "exit 0", NULL));
    attempt("signal a process of the host", kill(host, SIGTERM));
    attempt("signal the first process of the host",
            getpid() == 1 ? (errno = ESRCH, -1) : kill(1, 0));
    attempt("trace a process of the host", ptrace(PTRACE_SEIZE, host, 0, 0));
    char byte = 0;
    struct iovec local = {&byte, 1};
    struct iovec remote = {(void*)0x400000, 1};
    attempt("read a process's memory", process_vm_readv(host, &local, 1, &remote, 1, 0));
    attempt("mount", mount("none", "/run", "tmpfs", 0, NULL));
    attempt("remount the root", mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
    attempt("unmount the root", umount2("/", MNT_DETACH));
    attempt("make a disk's node", mknod("/run/sda", S_IFBLK | 0600, makedev(8, 0)));
    attempt("pivot out of the root", syscall(SYS_pivot_root, "/", "/run"));
    attempt("climb out of the root", climb_out());
    attempt("enter a namespace", setns(0, 0));
    attempt("a user namespace's powers", from_a_user_namespace());
    attempt("become root", setuid(0));
    attempt("raise a limit", setrlimit(RLIMIT_NOFILE, &(struct rlimit){1 << 20, 1 << 20}));
    attempt("set the host's name", sethostname("owned", 5));
    attack_processes(host);
    attack_network();
    attack_devices();
    attempt("load a kernel module", syscall(SYS_init_module, "", 0, ""));
    attempt("load a BPF program", syscall(SYS_bpf, 5, NULL, 0));
    attempt("reboot", syscall(SYS_reboot, 0, 0, 0, 0));
}

/* As many processes as there may be; they are gone when this one is. */
static int fork_bomb(void) {
    int count = 0;
    for (; count < 100000; ++count) {
        pid_t child = fork();
        if (child < 0) break;
        if (child == 0) {
            pause();
            _exit(0);
        }
    }
    printf("forks: %d\n", count);
    fflush(stdout);
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    return 0;
}

static int memory_bomb(void) {
    const size_t step = 1 << 20;
    for (size_t mib = 1; mib <= 4096; ++mib) {
        char* block = malloc(step);
        if (block == NULL) break;
        memset(block, 1, step);
        if (mib % 16 == 0) {
            printf("memory: %zu MiB\n", mib);
            fflush(stdout);
        }
    }
    return 0;
}

/* What it was given. */
static int report(void) {
    int variables = 0;
    for (char** it = environ; *it != NULL; ++it) ++variables;
    printf("variables: %d\ndescriptors:", variables);
    for (int fd = 0; fd < 4096; ++fd)
        if (fcntl(fd, F_GETFD) >= 0) printf(" %d", fd);
    printf("\nids: %d %d %d\npid: %d\nsession: %d\n", getuid(), getgid(), getgroups(0, NULL),
           getpid(), getsid(0) == getpid());
    return 0;
}

int main(int argc, char** argv) {
    if (argc == 2 && strcmp(argv[1], "forks") == 0) return fork_bomb();
    if (argc == 2 && strcmp(argv[1], "memory") == 0) return memory_bomb();
    if (argc > 1 && strcmp(argv[1], "report") == 0) return report();
    if (argc != 3) return 100;
    attack_all(atoi(argv[1]), atoi(argv[2]));
    return successes;
}
