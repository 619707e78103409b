#include "library/vm.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "library/fork.h"

static _Thread_local char create_message[MAYFLY_TEXT_SIZE];

static void close_fd(int* fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

int mayfly_watch(struct mayfly* vm, int fd, enum mayfly_source source) {
    struct epoll_event event = {.events = EPOLLIN, .data = {.u32 = source}};
    return epoll_ctl(vm->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

void mayfly_unwatch(struct mayfly* vm, int* fd) {
    /* Closing it is not enough: a child that the caller has forked may have another of it. */
    epoll_ctl(vm->epoll, EPOLL_CTL_DEL, *fd, NULL);
    close_fd(fd);
}

/* The options that the caller knows, the others zero. */
static int read_options(const struct mayfly_options* given, struct mayfly_options* options) {
    memset(options, 0, sizeof(*options));
    if (given == NULL) return 0;
    if (given->size < sizeof(given->size)) return -EINVAL;
    const size_t known = given->size < sizeof(*options) ? given->size : sizeof(*options);
    memcpy(options, given, known);
    for (size_t i = known; i < given->size; ++i)
        if (((const char*)given)[i] != 0) return -E2BIG;
    if ((options->flags & ~(uint32_t)(MAYFLY_NO_JAIL | MAYFLY_SERIAL_GIVEN)) != 0) return -EINVAL;
    const bool is_given = (options->flags & MAYFLY_SERIAL_GIVEN) != 0;
    return is_given && (options->serial_in < 0 || options->serial_out < 0) ? -EINVAL : 0;
}

/* The configuration as a file that nobody can change, read by the child from its start. */
static int make_config(const char* text, int* file) {
    *file = memfd_create("mayfly-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*file < 0) return -errno;
    for (size_t left = strlen(text); left > 0;) {
        const ssize_t written = write(*file, text, left);
        if (written < 0 && errno != EINTR) return -errno;
        if (written < 0) continue;
        text += written;
        left -= (size_t)written;
    }
    const int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    return fcntl(*file, F_ADD_SEALS, seals) == 0 ? 0 : -errno;
}

/* Only our ends are non-blocking: the child's are what it expects stdin, stdout and stderr to be.
 */
static int set_non_blocking(int fd) {
    return fcntl(fd, F_SETFL, O_NONBLOCK) == 0 ? 0 : -errno;
}

static int make_pipe_from(int* childs, int* ours) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return -errno;
    *ours = ends[0];
    *childs = ends[1];
    return set_non_blocking(*ours);
}

static int make_socket(int* childs, int* ours) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return -errno;
    *ours = ends[0];
    *childs = ends[1];
    return set_non_blocking(*ours);
}

static int make_serial(struct mayfly* vm, struct mayfly_child_ends* ends) {
    int error = make_pipe_from(&ends->out, &vm->serial_out);
    if (error == 0) error = make_socket(&ends->in, &vm->serial_in);
    /* The socket is the caller's way to the guest's input, and none back. */
    if (error == 0 && shutdown(vm->serial_in, SHUT_RD) != 0) error = -errno;
    return error;
}

static int make_ends(struct mayfly* vm, const char* config_json, struct mayfly_child_ends* ends,
                     bool with_serial) {
    int error = make_config(config_json, &ends->config);
    if (error == 0) error = make_socket(&ends->api, &vm->api);
    if (error == 0) error = make_pipe_from(&ends->ready, &vm->ready);
    if (error == 0) error = make_pipe_from(&ends->errors, &vm->errors);
    if (error == 0 && with_serial) error = make_serial(vm, ends);
    if (error != 0) return error;
    vm->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (vm->epoll < 0) return -errno;
    error = mayfly_watch(vm, vm->ready, MAYFLY_SOURCE_READY);
    return error != 0 ? error : mayfly_watch(vm, vm->errors, MAYFLY_SOURCE_ERRORS);
}

static int start_process(struct mayfly* vm, const char* config_json,
                         const struct mayfly_options* options) {
    struct mayfly_child_ends ends = {-1, -1, -1, -1, -1, -1};
    const bool is_given = (options->flags & MAYFLY_SERIAL_GIVEN) != 0;
    int error = make_ends(vm, config_json, &ends, !is_given);
    if (is_given) {
        ends.in = options->serial_in;
        ends.out = options->serial_out;
    }
    if (error == 0) error = mayfly_process_spawn(&vm->process, options, &ends);
    if (error == 0) error = mayfly_watch(vm, vm->process.pidfd, MAYFLY_SOURCE_END);
    if (!is_given) close_fd(&ends.in);
    if (!is_given) close_fd(&ends.out);
    close_fd(&ends.errors);
    close_fd(&ends.config);
    close_fd(&ends.api);
    close_fd(&ends.ready);
    return error;
}

static struct mayfly* allocate(void) {
    struct mayfly* vm = calloc(1, sizeof(*vm));
    if (vm == NULL) return NULL;
    vm->process.pidfd = vm->epoll = vm->api = vm->ready = vm->errors = vm->timer = -1;
    vm->serial_in = vm->serial_out = -1;
    return vm;
}

int mayfly_create(const char* config_json, const struct mayfly_options* options,
                  struct mayfly** vm) {
    *vm = NULL;
    create_message[0] = 0;
    struct mayfly_options known;
    int error = config_json == NULL ? -EINVAL : read_options(options, &known);
    if (error != 0) {
        snprintf(create_message, sizeof(create_message), "mayfly_create: %s",
                 error == -E2BIG ? "options of a newer version" : "no such options");
        return error;
    }
    struct mayfly* made = allocate();
    error = made == NULL ? -ENOMEM : mayfly_keep_from_children(made);
    if (error == 0) {
        mayfly_hold_forks(); /* posix_spawn(3) is none of those that wait */
        error = start_process(made, config_json, &known);
        mayfly_release_forks();
    }
    if (error == 0) {
        *vm = made;
        return 0;
    }
    mayfly_destroy(made);
    snprintf(create_message, sizeof(create_message), "%s: %s",
             known.program != NULL ? known.program : "mayfly", strerrordesc_np(-error));
    return error;
}

void mayfly_destroy(struct mayfly* vm) {
    if (vm == NULL) return;
    if (vm->process.pidfd >= 0) {
        mayfly_process_signal(&vm->process, SIGKILL);
        mayfly_process_reap(&vm->process, true);
    }
    mayfly_forget(vm);
    mayfly_close_all(vm);
    free(vm);
}

int mayfly_fd(const struct mayfly* vm) {
    return vm->epoll;
}
int mayfly_serial_in(const struct mayfly* vm) {
    return vm->serial_in;
}
int mayfly_serial_out(const struct mayfly* vm) {
    return vm->serial_out;
}
int mayfly_pid(const struct mayfly* vm) {
    return vm->process.pid;
}

const char* mayfly_error_message(const struct mayfly* vm) {
    return vm == NULL ? create_message : vm->message;
}
