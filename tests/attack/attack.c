/* A program in the monitor's position: it owns the process inside a jail, with no filter on it, and
 * tries what an attacker would. Prints one line per attempt, "NAME: denied (reason)" or "NAME:
 * SUCCEEDED"; ends with the number that succeeded. usage: attack HOST_PID HOST_PORT | attack forks
 * | attack memory | attack report */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
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
