/* The process of one VM: a child that is given the descriptors it needs and no other, and is
 * signalled and reaped by its pidfd, so that no other process can be hit or reaped in its place.
 * Owned by one VM. */
#pragma once

#include <sys/types.h>

#include <stdbool.h>

#include "library/mayfly.h"

struct mayfly_process {
    pid_t pid;
    int pidfd; /* -1: there is no process; kept after it has been reaped */
    bool is_reaped;
    int status; /* as in struct mayfly_event, once reaped */
    int signal;
};

/* The child's ends of what joins it to us. Still ours to close. */
struct mayfly_child_ends {
    int in;
    int out;
    int errors;
    int config;
    int api;
    int ready;
};

/* Starts the monitor. 0, or a negative errno value: then there is no process. Thread-safe: all
 * descriptors of ours are close-on-exec from the beginning, and the child closes whatever else is
 * open. */
int mayfly_process_spawn(struct mayfly_process* process, const struct mayfly_options* options,
                         const struct mayfly_child_ends* ends);

/* 0, or ESRCH negated. */
int mayfly_process_signal(const struct mayfly_process* process, int signal);

/* Reaps it if it has ended; `waits`: waits for that. True: it has been reaped, now or before. */
bool mayfly_process_reap(struct mayfly_process* process, bool waits);
