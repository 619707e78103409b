/* Runs the VM of a configuration file: its serial line is on stdin and stdout, what happens to it
 * is said on stderr, and its status is this program's.
 *
 *     cc run.c $(pkg-config --cflags --libs mayfly) -o run
 *     ./run CONFIG.json [MONITOR] */
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <errno.h>
#include <mayfly.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static char* read_file(const char* path) {
    FILE* file = fopen(path, "r");
    if (file == NULL) return NULL;
    char* text = NULL;
    size_t size = 0;
    /* Up to a NUL, which the file has none of: all of it. */
    const bool was_read = getdelim(&text, &size, 0, file) >= 0;
    fclose(file);
    if (was_read) return text;
    free(text);
    return NULL;
}

/* What the guest has written by now. False: there will be no more. */
static bool relay_output(int from) {
    char bytes[4096];
    ssize_t got = 0;
    while ((got = read(from, bytes, sizeof(bytes))) > 0) fwrite(bytes, 1, (size_t)got, stdout);
    fflush(stdout);
    return got < 0 && errno == EAGAIN;
}

/* What there is for the guest to read. False: there will be no more. */
static bool relay_input(int to) {
    char bytes[4096];
    const ssize_t got = read(STDIN_FILENO, bytes, sizeof(bytes));
    /* A guest that does not read loses it here; a program would keep it until poll() says POLLOUT.
     */
    if (got > 0) return send(to, bytes, (size_t)got, MSG_NOSIGNAL) >= 0 || errno == EAGAIN;
    shutdown(to, SHUT_WR);
    return false;
}

static const char* name_of(uint32_t event) {
    static const char* const kNames[] = {"no event", "ready",   "started", "booted", "paused",
                                         "resumed",  "message", "failed",  "exited"};
    return event < sizeof(kNames) / sizeof(*kNames) ? kNames[event] : "unknown";
}

/* True: the VM has ended, or cannot be started. */
static bool handle(const struct mayfly_event* event, int* status) {
    fprintf(stderr, "%s%s%s\n", name_of(event->type), event->message != NULL ? ": " : "",
            event->message != NULL ? event->message : "");
    if (event->type == MAYFLY_EXITED) *status = event->status;
    return event->type == MAYFLY_EXITED ||
           (event->type == MAYFLY_FAILED && event->awaited == MAYFLY_STARTED);
}

static int run(struct mayfly* vm) {
    enum { kVm, kOutput, kInput, kCount };
    struct pollfd fds[kCount] = {{.fd = mayfly_fd(vm), .events = POLLIN},
                                 {.fd = mayfly_serial_out(vm), .events = POLLIN},
                                 {.fd = STDIN_FILENO, .events = POLLIN}};
    int status = 1;
    bool is_over = mayfly_start(vm) != 0;
    while (!is_over && poll(fds, kCount, -1) >= 0) {
        struct mayfly_event event;
        while (!is_over && mayfly_next_event(vm, &event) > 0) is_over = handle(&event, &status);
        if (fds[kOutput].revents != 0 && !relay_output(fds[kOutput].fd)) fds[kOutput].fd = -1;
        if (fds[kInput].revents != 0 && !relay_input(mayfly_serial_in(vm))) fds[kInput].fd = -1;
    }
    relay_output(mayfly_serial_out(vm));
    return status;
}

int main(int argc, char** argv) {
    char* config = argc > 1 ? read_file(argv[1]) : NULL;
    if (config == NULL) {
        fprintf(stderr, "usage: run CONFIG.json [MONITOR]\n");
        return 2;
    }
    const struct mayfly_options options = {.size = sizeof(options),
                                           .program = argc > 2 ? argv[2] : NULL};
    struct mayfly* vm = NULL;
    if (mayfly_create(config, &options, &vm) != 0) {
        fprintf(stderr, "%s\n", mayfly_error_message(NULL));
        return 1;
    }
    free(config);
    const int status = run(vm);
    mayfly_destroy(vm);
    return status;
}
