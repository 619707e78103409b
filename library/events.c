/* What a VM's process tells, made events of. Each call looks at all that is readable and gives out
 * the first thing found; nothing is queued here, so that a process that says much is held up by its
 * own pipes. */
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "library/vm.h"

enum {
    kReadsPerCall = 4,    /* of half a KiB, so that no call is without end */
    kReadsAfterEnd = 256, /* twice what a pipe holds */
};

static bool give(struct mayfly_event* event, uint32_t type) {
    event->type = type;
    return true;
}

static bool give_failure(struct mayfly* vm, struct mayfly_event* event, uint32_t awaited) {
    event->awaited = awaited;
    event->message = vm->message;
    return give(event, MAYFLY_FAILED);
}

static uint32_t take_request(struct mayfly* vm) {
    const uint32_t request = vm->requests[0];
    --vm->request_count;
    memmove(vm->requests, vm->requests + 1, vm->request_count * sizeof(*vm->requests));
    return request;
}

static bool has_request(const struct mayfly* vm, uint32_t awaited) {
    for (size_t i = 0; i < vm->request_count; ++i)
        if (vm->requests[i] == awaited) return true;
    return false;
}

/* Which sources have something. At the process's end, all of them: what it wrote before counts. */
static uint32_t readable_sources(struct mayfly* vm) {
    struct epoll_event events[8];
    const int count = epoll_wait(vm->epoll, events, 8, 0);
    uint32_t sources = 0;
    for (int i = 0; i < count; ++i) sources |= events[i].data.u32;
    vm->has_ended = vm->has_ended || (sources & MAYFLY_SOURCE_END) != 0;
    return vm->has_ended ? ~UINT32_C(0) : sources;
}

static void watch_answers(struct mayfly* vm) {
    if (vm->api < 0 || mayfly_watch(vm, vm->api, MAYFLY_SOURCE_API) == 0) return;
    vm->is_broken = true; /* better to fail than to wait for what is not seen */
    mayfly_unwatch(vm, &vm->api);
}

/* --ready-fd: "api", then "guest". */
static bool take_readiness(struct mayfly* vm, struct mayfly_event* event) {
    char line[MAYFLY_TEXT_SIZE];
    const int most_reads = vm->has_ended ? kReadsAfterEnd : kReadsPerCall;
    for (int reads = 0; vm->ready >= 0; ++reads) {
        while (mayfly_lines_take(&vm->ready_lines, false, line)) {
            vm->has_booted = vm->has_booted || strcmp(line, "guest") == 0;
            if (vm->is_ready || strcmp(line, "api") != 0) continue;
            vm->is_ready = true;
            watch_answers(vm);
            return give(event, MAYFLY_READY);
        }
        if (reads == most_reads) break;
        const enum mayfly_lines_read got = mayfly_lines_fill(&vm->ready_lines, vm->ready);
        if (got == MAYFLY_LINES_ENDED) mayfly_unwatch(vm, &vm->ready);
        if (got != MAYFLY_LINES_READ) break;
    }
    return false;
}

static bool give_answer(struct mayfly* vm, const struct mayfly_response* response,
                        struct mayfly_event* event) {
    const uint32_t request = take_request(vm);
    vm->response_used = 0;
    if (vm->request_count > 0) mayfly_send_request(vm);
    if (response->status < 300) return give(event, request);
    if (!mayfly_text_fault(vm->message, sizeof(vm->message), response->body, response->body_size))
        snprintf(vm->message, sizeof(vm->message), "HTTP status %d", response->status);
    return give_failure(vm, event, request);
}

static bool take_answer(struct mayfly* vm, struct mayfly_event* event) {
    char* const at = vm->response + vm->response_used;
    const size_t room = sizeof(vm->response) - vm->response_used;
    const ssize_t got = recv(vm->api, at, room, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (got > 0) {
        struct mayfly_response response;
        vm->response_used += (size_t)got;
        const long length = mayfly_response_parse(vm->response, vm->response_used, &response);
        const bool is_awaited = vm->request_count > 0;
        if (is_awaited && length == 0) return false;
        if (is_awaited && length == (long)vm->response_used)
            return give_answer(vm, &response, event);
        vm->is_broken = true; /* malformed, or there was no request */
    }
    mayfly_unwatch(vm, &vm->api);
    return false;
}

/* A line of stderr. */
static bool take_said(struct mayfly* vm, struct mayfly_event* event) {
    bool is_over = false;
    for (int reads = 0; vm->errors >= 0; ++reads) {
        if (mayfly_lines_take(&vm->error_lines, is_over, vm->last_said)) {
            event->message = vm->last_said;
            return give(event, MAYFLY_SAID);
        }
        if (is_over) mayfly_unwatch(vm, &vm->errors);
        if (is_over || (reads >= kReadsPerCall && !vm->has_ended)) break;
        const enum mayfly_lines_read got = mayfly_lines_fill(&vm->error_lines, vm->errors);
        if (!vm->has_ended && got == MAYFLY_LINES_EMPTY) break;
        /* Its end is the process's end, even if another still holds the pipe, and writes to it. */
        if (vm->has_ended) ++vm->reads_after_end;
        is_over = got != MAYFLY_LINES_READ || vm->reads_after_end > kReadsAfterEnd;
    }
    return false;
}

/* Whether the guest ran and the process ended before it could answer: then it has said nothing. */
static bool start_was_overtaken(const struct mayfly* vm) {
    const bool is_first = vm->request_count > 0 && vm->requests[0] == MAYFLY_STARTED;
    const bool ended_well = vm->process.signal == 0 && vm->last_said[0] == 0;
    return is_first && vm->is_ready && (vm->has_booted || ended_well);
}

static void explain_end(struct mayfly* vm) {
    const struct mayfly_process* process = &vm->process;
    if (vm->last_said[0] != 0)
        memcpy(vm->message, vm->last_said, sizeof(vm->message));
    else if (process->signal != 0)
        snprintf(vm->message, sizeof(vm->message), "signal %d ended the VM's process",
                 process->signal);
    else if (process->status < 0)
        snprintf(vm->message, sizeof(vm->message), "somebody else has reaped the VM's process");
    else
        snprintf(vm->message, sizeof(vm->message), "the VM's process ended with %d",
                 process->status);
}

/* Nothing is watched any more, so that the descriptor is not readable. */
static void finish(struct mayfly* vm) {
    vm->is_finished = true;
    epoll_ctl(vm->epoll, EPOLL_CTL_DEL, vm->process.pidfd, NULL);
    if (vm->ready >= 0) mayfly_unwatch(vm, &vm->ready);
    if (vm->api >= 0) mayfly_unwatch(vm, &vm->api);
    if (vm->timer >= 0) mayfly_unwatch(vm, &vm->timer);
}

/* What comes when the process has ended and all that it has said was given out. */
static bool take_end(struct mayfly* vm, struct mayfly_event* event) {
    if (!mayfly_process_reap(&vm->process, false)) return false;
    if (start_was_overtaken(vm)) return give(event, take_request(vm));
    if (vm->has_booted && !vm->told_booted) {
        vm->told_booted = true;
        return give(event, MAYFLY_BOOTED);
    }
    if (!vm->is_ready || vm->request_count > 0) {
        explain_end(vm);
        const uint32_t awaited = vm->is_ready ? take_request(vm) : MAYFLY_READY;
        vm->is_ready = true;
        return give_failure(vm, event, awaited);
    }
    if (vm->process.status != 0) explain_end(vm);
    finish(vm);
    event->status = vm->process.status;
    event->signal = vm->process.signal;
    event->message = vm->last_said;
    return give(event, MAYFLY_EXITED);
}

static void end_grace(struct mayfly* vm) {
    mayfly_process_signal(&vm->process, SIGKILL);
    mayfly_unwatch(vm, &vm->timer);
}

int mayfly_next_event(struct mayfly* vm, struct mayfly_event* event) {
    memset(event, 0, sizeof(*event));
    if (vm->is_finished) return 0;
    const uint32_t sources = readable_sources(vm);
    if ((sources & MAYFLY_SOURCE_TIMER) != 0 && vm->timer >= 0 && !vm->has_ended) end_grace(vm);
    if (take_readiness(vm, event)) return 1;
    /* Not before MAYFLY_READY, which it is not watched before either. */
    const bool has_answer = (sources & MAYFLY_SOURCE_API) != 0 && vm->api >= 0 && vm->is_ready;
    if (has_answer && take_answer(vm, event)) return 1;
    if (vm->is_broken && vm->request_count > 0) {
        snprintf(vm->message, sizeof(vm->message),
                 "the VM's process does not speak HTTP as it should");
        return give_failure(vm, event, take_request(vm));
    }
    /* The boot signal may overtake the answer to the start. */
    if (vm->has_booted && !vm->told_booted && !has_request(vm, MAYFLY_STARTED)) {
        vm->told_booted = true;
        return give(event, MAYFLY_BOOTED);
    }
    if (take_said(vm, event)) return 1;
    return vm->has_ended && take_end(vm, event);
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int wait_until(struct mayfly* vm, struct mayfly_event* event, int64_t deadline_ms) {
    for (;;) {
        if (vm->is_finished) return -ESRCH;
        if (mayfly_next_event(vm, event) != 0) return 1;
        struct pollfd fd = {.fd = vm->epoll, .events = POLLIN};
        int left = -1;
        if (deadline_ms >= 0) {
            const int64_t now = now_ms();
            left = now < deadline_ms ? (int)(deadline_ms - now) : 0;
        }
        const int count = poll(&fd, 1, left);
        if (count < 0) return -errno;
        if (count == 0) return -ETIMEDOUT;
    }
}

static int64_t deadline_in(int timeout_ms) {
    return timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
}

int mayfly_wait_event(struct mayfly* vm, struct mayfly_event* event, int timeout_ms) {
    return wait_until(vm, event, deadline_in(timeout_ms));
}

int mayfly_wait(struct mayfly* vm, int timeout_ms) {
    const int64_t deadline_ms = deadline_in(timeout_ms);
    struct mayfly_event event;
    while (!vm->is_finished) {
        const int result = wait_until(vm, &event, deadline_ms);
        if (result < 0) return result;
        if (event.type == MAYFLY_FAILED && !vm->has_ended) return -EIO;
        /* One that says much gives us no time to wait. */
        if (!vm->is_finished && deadline_ms >= 0 && now_ms() > deadline_ms) return -ETIMEDOUT;
    }
    return vm->process.status >= 0 ? vm->process.status : -ECHILD;
}
