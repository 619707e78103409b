/* A thread of another process, taken over by ptrace(2): it makes the system calls that it is told
 * to, under its own filters and with its own powers. */
#pragma once

#include <sys/types.h>
#include <sys/user.h>

#include <stddef.h>
#include <stdint.h>

struct Thread {
    pid_t process, id; /* as it sees itself: in its own process namespace */
    pid_t tgid, tid;   /* as we see it */
    struct user_regs_struct before;
    unsigned long memory; /* pages below its stack, for what calls point at */
    int memory_file;
};

enum { kPage = 4096, kMemoryPages = 2 };

struct Outcome {
    enum { RETURNED, TRAPPED, KILLED, SIGNALLED } kind;
    long value; /* what the call returned, or the signal's number */
};

/* Stops it where it waits in a system call. Ends this program where nobody may trace it (77). */
void thread_seize(struct Thread* thread, pid_t tid);

/* A thread that is gone, or was stopped by nothing that has to do with the call, ends this program
 * (78). The number may be anything that fits the register. */
struct Outcome thread_call(struct Thread* thread, long number, const unsigned long arguments[6]);

/* The same by int 0x80, as a program of 32 bits would; up to three arguments. */
struct Outcome thread_call_as_32_bits(struct Thread* thread, long number,
                                      const unsigned long arguments[6]);

void thread_write(const struct Thread* thread, unsigned long at, const void* from, size_t size);
void thread_read(const struct Thread* thread, unsigned long at, void* to, size_t size);

/* It goes on where it was. */
void thread_release(struct Thread* thread);
