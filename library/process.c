#include "library/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <errno.h>
#include <spawn.h>
#include <string.h>

/* Numbers that the child has its descriptors under, besides stdin, stdout and stderr. */
enum { kConfigFd = 3, kApiFd = 4, kReadyFd = 5, kFirstClosed = 6 };

enum { kMostArguments = 64, kOurArguments = 16 };

struct arguments {
    const char* list[kOurArguments + kMostArguments + 1];
    size_t count;
};

static void add(struct arguments* arguments, const char* argument) {
    arguments->list[arguments->count++] = argument;
}

static int make_arguments(struct arguments* arguments, const struct mayfly_options* options) {
    static const char* const kOurs[] = {
        "--config-file", "/proc/self/fd/3", "--hold", "--api-fd", "4", "--ready-fd", "5"};
    add(arguments, "mayfly");
    if ((options->flags & MAYFLY_NO_JAIL) == 0) add(arguments, "--jail");
    if (options->id != NULL) {
        add(arguments, "--id");
        add(arguments, options->id);
    }
    for (size_t i = 0; i < sizeof(kOurs) / sizeof(*kOurs); ++i) add(arguments, kOurs[i]);
    const char* const* more = options->arguments;
    for (size_t i = 0; more != NULL && more[i] != NULL; ++i) {
        if (i == kMostArguments) return -E2BIG;
        add(arguments, more[i]);
    }
    return 0;
}

/* The ends, moved out of the way of the numbers that they are to get. */
struct moved {
    int from[kFirstClosed];
    int made[kFirstClosed]; /* to be closed; -1: none */
};

static int move_ends(struct moved* moved, const struct mayfly_child_ends* ends) {
    const int wanted[kFirstClosed] = {ends->in,     ends->out, ends->errors,
                                      ends->config, ends->api, ends->ready};
    int error = 0;
    for (int i = 0; i < kFirstClosed; ++i) {
        moved->from[i] = wanted[i];
        moved->made[i] = -1;
        if (error != 0 || wanted[i] >= kFirstClosed) continue;
        moved->from[i] = moved->made[i] = fcntl(wanted[i], F_DUPFD_CLOEXEC, kFirstClosed);
        if (moved->made[i] < 0) error = -errno;
    }
    return error;
}

static void close_moved(const struct moved* moved) {
    for (int i = 0; i < kFirstClosed; ++i)
        if (moved->made[i] >= 0) close(moved->made[i]);
}

/* The child starts with a clean slate, whatever the calling program has done to its own signals. */
static int set_attributes(posix_spawnattr_t* attributes, uint32_t flags) {
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    short wanted = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    /* A terminal's Ctrl-C is for the calling program; what a VM is to do then, that says. */
    if ((flags & MAYFLY_SERIAL_GIVEN) == 0) wanted |= POSIX_SPAWN_SETPGROUP;
    int error = posix_spawnattr_setflags(attributes, wanted);
    if (error == 0) error = posix_spawnattr_setsigmask(attributes, &none);
    if (error == 0) error = posix_spawnattr_setsigdefault(attributes, &all);
    return -error;
}

static int set_actions(posix_spawn_file_actions_t* actions, const struct moved* moved) {
    int error = 0;
    for (int i = 0; i < kFirstClosed && error == 0; ++i)
        error = posix_spawn_file_actions_adddup2(actions, moved->from[i], i);
    if (error == 0) error = posix_spawn_file_actions_addclosefrom_np(actions, kFirstClosed);
    return -error;
}

static int spawn(struct mayfly_process* process, const struct mayfly_options* options,
                 const struct moved* moved, struct arguments* arguments) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char* no_environment[] = {NULL}; /* nothing of the caller's secrets */
    const char* const program = options->program != NULL ? options->program : "mayfly";
    if (posix_spawn_file_actions_init(&actions) != 0) return -ENOMEM;
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return -ENOMEM;
    }
    int error = set_attributes(&attributes, options->flags);
    if (error == 0) error = set_actions(&actions, moved);
    /* The strings are not written to; posix_spawn only lacks the word for it. */
    char* argv[kOurArguments + kMostArguments + 1];
    memcpy(argv, arguments->list, sizeof(argv));
    if (error == 0)
        error = -posix_spawnp(&process->pid, program, &actions, &attributes, argv, no_environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error;
}

int mayfly_process_spawn(struct mayfly_process* process, const struct mayfly_options* options,
                         const struct mayfly_child_ends* ends) {
    struct arguments arguments = {{NULL}, 0};
    int error = make_arguments(&arguments, options);
    if (error != 0) return error;
    struct moved moved;
    error = move_ends(&moved, ends);
    if (error == 0) error = spawn(process, options, &moved, &arguments);
    close_moved(&moved);
    if (error != 0) return error;
    process->pidfd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    if (process->pidfd >= 0) return 0;
    error = -errno;
    /* ESRCH: the caller's handling of SIGCHLD was quicker. Else we are out of descriptors, most
     * likely; it is a child of ours that nobody has reaped, and so the id is right. */
    if (error == -ESRCH) return error;
    kill(process->pid, SIGKILL);
    while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR) continue;
    return error;
}

int mayfly_process_signal(const struct mayfly_process* process, int signal) {
    if (process->is_reaped) return -ESRCH;
    const long sent = syscall(SYS_pidfd_send_signal, process->pidfd, signal, NULL, 0);
    return sent == 0 ? 0 : -errno;
}

bool mayfly_process_reap(struct mayfly_process* process, bool waits) {
    if (process->is_reaped) return true;
    siginfo_t info;
    int result = 0;
    do {
        info.si_pid = 0;
        result = waitid(P_PIDFD, (id_t)process->pidfd, &info, WEXITED | (waits ? 0 : WNOHANG));
    } while (result != 0 && errno == EINTR);
    if (result == 0 && info.si_pid == 0) return false;
    process->is_reaped = true;
    process->status = -1; /* ECHILD: somebody else was quicker, or SIGCHLD is ignored */
    if (result != 0) return true;
    process->signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
    process->status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    return true;
}
