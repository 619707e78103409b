/* libmayfly: microVMs inside your program. Each VM is still a process of its own, in a jail of its
 * own; this library starts it, talks to it, and is told by it, without ever waiting unless you ask
 * it to.
 *
 *     struct mayfly *vm;
 *     int error = mayfly_create(config_json, NULL, &vm);
 *     if (error != 0) return fail(mayfly_error_message(NULL));
 *     mayfly_start(vm);
 *     int status = mayfly_wait(vm, -1);
 *     mayfly_destroy(vm);
 *
 * In an event loop: poll mayfly_fd(vm) for input; when there is some, call mayfly_next_event()
 * until it returns 0.
 *
 * Errors are negative errno values; mayfly_error_message() has the words. Nothing here writes to
 * your stderr, installs a signal handler, or keeps a thread. One VM: one thread at a time.
 * Different VMs: any threads.
 *
 * After fork(2) a VM stays the parent's. The child has none of its descriptors; to it the VM has
 * ended, with status -1 (requests: ESRCH), and mayfly_destroy() frees its memory there. vfork(2)
 * and clone(2) are not noticed: only execute or end in such a child.
 *
 * The VM's process is a child of yours: you get SIGCHLD when it ends, as for each child. Do not
 * wait for it by waitpid(-1, ...), and do not ignore SIGCHLD, or its status is lost (the event says
 * -1). */
#ifndef MAYFLY_H
#define MAYFLY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MAYFLY_API __attribute__((visibility("default")))
#else
#define MAYFLY_API
#endif

struct mayfly; /* one VM */

enum mayfly_flags {
    /* No jail: for debugging, or where namespaces are not to be had. The seccomp filters stay. */
    MAYFLY_NO_JAIL = 1,
    /* The guest's serial line is on `serial_in` and `serial_out`, which stay yours: the VM gets
     * duplicates. It then stays in your process group, so that they may be a terminal. */
    MAYFLY_SERIAL_GIVEN = 2,
};

/* Zero in any field is the default. Fields may be added at the end; `size` tells which you know. */
struct mayfly_options {
    size_t size;         /* sizeof(struct mayfly_options) */
    const char* program; /* the monitor; by default `mayfly`, looked for in PATH */
    const char* id;      /* letters, digits and '-', at most 64; by default the monitor's own */
    uint32_t flags;      /* of enum mayfly_flags */
    int serial_in;       /* with MAYFLY_SERIAL_GIVEN */
    int serial_out;
    /* More arguments for the monitor, such as "--level", "Debug"; NULL at the end. */
    const char* const* arguments;
};

/* `config_json` has the form of Firecracker's --config-file. It is copied, and so are the options.
 * Returns 0 and a VM that is yours to destroy; what is wrong with the configuration comes as an
 * event. Errors: what stopped the process from being made, such as ENOENT (no such program) or
 * EMFILE; EINVAL and E2BIG (options that this version does not know). *vm is NULL then, and
 * mayfly_error_message(NULL) says more. */
MAYFLY_API int mayfly_create(const char* config_json, const struct mayfly_options* options,
                             struct mayfly** vm);

/* Ends the VM by SIGKILL if it has not ended, waits some milliseconds for that, reaps its process,
 * and closes all descriptors. NULL is fine. In a jail what the VM had open, such as a TAP, is
 * free some milliseconds later. */
MAYFLY_API void mayfly_destroy(struct mayfly* vm);

/* Requests. They return at once, may be made at any time, also before MAYFLY_READY, and are carried
 * out in order. The answer is an event: MAYFLY_STARTED, MAYFLY_PAUSED, MAYFLY_RESUMED, or
 * MAYFLY_FAILED. Errors: EBUSY (16 are waiting), EPIPE (the process no longer listens), ESRCH (it
 * has ended). */
MAYFLY_API int mayfly_start(struct mayfly* vm);
MAYFLY_API int mayfly_pause(struct mayfly* vm);
MAYFLY_API int mayfly_resume(struct mayfly* vm);

/* Asks the process to end (SIGTERM), and makes it end (SIGKILL) `grace_ms` later; at once if that
 * is 0. Returns at once; MAYFLY_EXITED follows. The second signal is sent by mayfly_next_event(),
 * for which the descriptor becomes readable. Errors: ESRCH (it has ended), EMFILE and such (nothing
 * was sent). */
MAYFLY_API int mayfly_stop(struct mayfly* vm, unsigned grace_ms);

enum mayfly_event_type {
    MAYFLY_NO_EVENT = 0,
    MAYFLY_READY,   /* the process is set up and takes requests */
    MAYFLY_STARTED, /* the guest runs */
    MAYFLY_BOOTED,  /* the guest has given its boot signal */
    MAYFLY_PAUSED,
    MAYFLY_RESUMED,
    MAYFLY_SAID,   /* the process has written a line to its stderr: `message` */
    MAYFLY_FAILED, /* the event `awaited` will not come, because of `message` */
    MAYFLY_EXITED, /* the process has ended with `status`; always the last event */
};

struct mayfly_event {
    uint32_t type;    /* of enum mayfly_event_type */
    uint32_t awaited; /* MAYFLY_FAILED: of enum mayfly_event_type */
    /* MAYFLY_EXITED: what the guest or the monitor ended with, 0 to 255; 128 + `signal` when a
     * signal ended the process; -1 if somebody else has reaped it. */
    int32_t status;
    int32_t signal;
    /* MAYFLY_SAID, MAYFLY_FAILED; MAYFLY_EXITED: the last line said, or "". UTF-8 in one line,
     * without control characters. Valid until the next call with this VM; NULL with all other
     * events. */
    const char* message;
    uint64_t reserved[4];
};

/* Readable when there may be an event. Owned by the VM; poll it, and nothing else. */
MAYFLY_API int mayfly_fd(const struct mayfly* vm);

/* Never waits. 1: *event is the next one; 0: there is none now. */
MAYFLY_API int mayfly_next_event(struct mayfly* vm, struct mayfly_event* event);

/* Waits for the next event. A negative timeout: for ever. 1: *event is it. Errors: ETIMEDOUT; EINTR
 * (your signal handler ran); ESRCH (MAYFLY_EXITED was the last). */
MAYFLY_API int mayfly_wait_event(struct mayfly* vm, struct mayfly_event* event, int timeout_ms);

/* Waits for the end, and passes over the events until then. Returns the event's `status`,
 * also when called again. Errors: ETIMEDOUT; EINTR; EIO (a request has failed while the process
 * goes on; mayfly_error_message() says why); ECHILD (somebody else has reaped the process). */
MAYFLY_API int mayfly_wait(struct mayfly* vm, int timeout_ms);

/* The guest's serial line: `in` is what it reads, one end of a socket (end it by shutdown(fd,
 * SHUT_WR); use MSG_NOSIGNAL, or SIGPIPE comes when the VM has ended); `out` is what it writes, a
 * pipe. Non-blocking, close-on-exec, and owned by the VM: valid until mayfly_destroy(), also after
 * the end, so that all output can be read. -1 with MAYFLY_SERIAL_GIVEN. A guest whose output is not
 * read is held up for at most a second, then bytes are lost. */
MAYFLY_API int mayfly_serial_in(const struct mayfly* vm);
MAYFLY_API int mayfly_serial_out(const struct mayfly* vm);

/* The process's id, for your logs; it may be another's once the VM has been reaped. In a jail it is
 * the keeper's, and the VM is its only child (docs/jail.md); a cgroup takes both. */
MAYFLY_API int mayfly_pid(const struct mayfly* vm);

/* The last error of this VM in words, or "". With NULL: why the last mayfly_create() of this thread
 * failed. Valid until the next call with this VM (in this thread). */
MAYFLY_API const char* mayfly_error_message(const struct mayfly* vm);

#ifdef __cplusplus
}
#endif

#endif
