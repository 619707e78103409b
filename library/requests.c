/* What a caller asks of a VM: requests to its API, and signals. */
#include <signal.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "library/vm.h"

static int fail(struct mayfly* vm, int error, const char* message) {
    snprintf(vm->message, sizeof(vm->message), "%s", message);
    return error;
}

static int format_request(uint32_t awaited, char* text, size_t size) {
    const bool is_start = awaited == MAYFLY_STARTED;
    const char* const body = is_start                   ? "{\"action_type\":\"InstanceStart\"}"
                             : awaited == MAYFLY_PAUSED ? "{\"state\":\"Paused\"}"
                                                        : "{\"state\":\"Resumed\"}";
    return snprintf(text, size,
                    "%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                    "Content-Length: %zu\r\n\r\n%s",
                    is_start ? "PUT /actions" : "PATCH /vm", strlen(body), body);
}

void mayfly_send_request(struct mayfly* vm) {
    char text[256];
    const int length = format_request(vm->requests[0], text, sizeof(text));
    const ssize_t sent = send(vm->api, text, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent == length) return;
    /* There is always room for one request. EPIPE: the process has ended, or soon will have; what
     * is not answered fails with it. */
    vm->is_broken = sent >= 0 || errno != EPIPE;
    mayfly_unwatch(vm, &vm->api);
}

static int request(struct mayfly* vm, uint32_t awaited) {
    if (vm->has_ended) return fail(vm, -ESRCH, "the VM has ended");
    if (vm->api < 0) return fail(vm, -EPIPE, "the VM's process does not listen any more");
    if (vm->request_count == MAYFLY_MOST_REQUESTS)
        return fail(vm, -EBUSY, "too many requests are waiting for the VM's process");
    vm->requests[vm->request_count++] = awaited;
    if (vm->request_count == 1) mayfly_send_request(vm);
    return 0;
}

int mayfly_start(struct mayfly* vm) {
    return request(vm, MAYFLY_STARTED);
}
int mayfly_pause(struct mayfly* vm) {
    return request(vm, MAYFLY_PAUSED);
}
int mayfly_resume(struct mayfly* vm) {
    return request(vm, MAYFLY_RESUMED);
}

static int set_timer(struct mayfly* vm, unsigned grace_ms) {
    if (vm->timer < 0) {
        vm->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (vm->timer < 0) return -errno;
        const int error = mayfly_watch(vm, vm->timer, MAYFLY_SOURCE_TIMER);
        if (error != 0) mayfly_unwatch(vm, &vm->timer);
        if (error != 0) return error;
    }
    const struct itimerspec timer = {
        .it_value = {grace_ms / 1000, (long)(grace_ms % 1000) * 1000000}};
    return timerfd_settime(vm->timer, 0, &timer, NULL) == 0 ? 0 : -errno;
}

int mayfly_stop(struct mayfly* vm, unsigned grace_ms) {
    int error = 0;
    if (grace_ms != 0 && !vm->has_ended) error = set_timer(vm, grace_ms);
    if (error == 0) error = mayfly_process_signal(&vm->process, grace_ms != 0 ? SIGTERM : SIGKILL);
    if (error == 0) return 0;
    return fail(vm, error, error == -ESRCH ? "the VM has ended" : strerrordesc_np(-error));
}
