/* What libmayfly keeps of one VM. Everything that comes from its process is taken for an
 * attacker's: it is bounded, checked, and never waited for. Owned by the caller of mayfly_create(),
 * one thread at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "library/lines.h"
#include "library/mayfly.h"
#include "library/process.h"
#include "library/response.h"
#include "library/text.h"

/* What may have something for us; each has a descriptor in `epoll`. */
enum mayfly_source {
    MAYFLY_SOURCE_END = 1, /* the pidfd */
    MAYFLY_SOURCE_READY = 2,
    MAYFLY_SOURCE_API = 4,
    MAYFLY_SOURCE_ERRORS = 8,
    MAYFLY_SOURCE_TIMER = 16,
};

enum { MAYFLY_MOST_REQUESTS = 16 };

struct mayfly {
    struct mayfly* next; /* of the list in fork.c */
    struct mayfly* previous;
    bool is_listed;
    struct mayfly_process process;
    int epoll;
    int api;    /* a stream socket; in `epoll` from MAYFLY_READY on; -1: it has ended */
    int ready;  /* pipe of --ready-fd; -1: it has ended */
    int errors; /* pipe of its stderr; -1: it has ended */
    int timer;  /* a timerfd, once there is a grace period; -1: none */
    int serial_in;
    int serial_out;

    bool is_ready;    /* MAYFLY_READY has been given, or that it will not come */
    bool has_booted;  /* the boot signal has come */
    bool told_booted; /* ... and the caller has been told */
    bool has_ended;   /* the process has; what it wrote before is still to be read */
    bool is_finished; /* MAYFLY_EXITED has been given */

    /* Requests without an answer, the oldest first, each as the event that will come of it. Only
     * the first has been sent, so that the socket's buffer always has room, and an answer belongs
     * to one of them. */
    uint32_t requests[MAYFLY_MOST_REQUESTS];
    size_t request_count;
    bool is_broken; /* the API was closed because of what came from it */

    char response[MAYFLY_RESPONSE_SIZE];
    size_t response_used;
    struct mayfly_lines ready_lines;
    struct mayfly_lines error_lines;
    unsigned
        reads_after_end; /* of stderr, which a process that it has left behind may still hold */
    char last_said[MAYFLY_TEXT_SIZE];
    char message[MAYFLY_TEXT_SIZE];
};

/* Adds a descriptor to `epoll`. 0, or a negative errno value. */
int mayfly_watch(struct mayfly* vm, int fd, enum mayfly_source source);

/* Closes a descriptor that is in `epoll`, and sets it to -1. */
void mayfly_unwatch(struct mayfly* vm, int* fd);

/* Sends the oldest request. */
void mayfly_send_request(struct mayfly* vm);
