#define _GNU_SOURCE
#include "thread.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const unsigned short kSyscall = 0x050f, kInt80 = 0x80cd;

static void give_up(int status, const char* what) {
    perror(what);
    exit(status);
}

static void ask(int request, const struct Thread* thread, void* address, void* data) {
    if (ptrace(request, thread->tid, address, data) != 0) give_up(78, "ptrace");
}

static int wait_for(const struct Thread* thread) {
    int status = 0;
    if (waitpid(thread->tid, &status, __WALL) != thread->tid) give_up(78, "waitpid");
    return status;
}

/* The last of the numbers behind a name in /proc/TID/status: that of its own namespace. */
static pid_t own_number(pid_t tid, const char* name) {
    char path[64], line[256];
    snprintf(path, sizeof(path), "/proc/%d/status", tid);
    FILE* file = fopen(path, "r");
    if (file == NULL) give_up(78, path);
    pid_t number = 0;
    while (fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0) number = atoi(strrchr(line, '\t') + 1);
    fclose(file);
    return number;
}

static unsigned short instruction_at(const struct Thread* thread, unsigned long at) {
    unsigned short found = 0;
    thread_read(thread, at, &found, sizeof(found));
    return found;
}

void thread_seize(struct Thread* thread, pid_t tid) {
    thread->tid = tid;
    thread->tgid = own_number(tid, "Tgid:");
    thread->process = own_number(tid, "NStgid:");
    thread->id = own_number(tid, "NSpid:");
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/mem", tid);
    thread->memory_file = open(path, O_RDWR | O_CLOEXEC);
    /* Whatever it may start dies with us. */
    const long options =
        PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;
    if (thread->memory_file < 0 || ptrace(PTRACE_SEIZE, tid, 0, options) != 0)
        give_up(77, "it may not be traced");
    for (;;) {
        ask(PTRACE_INTERRUPT, thread, 0, 0);
        wait_for(thread);
        ask(PTRACE_GETREGS, thread, 0, &thread->before);
        if (instruction_at(thread, thread->before.rip - 2) == kSyscall) break;
        ask(PTRACE_CONT, thread, 0, 0);
        usleep(1000);
    }
    thread->memory = (thread->before.rsp - 128) / kPage * kPage - kMemoryPages * kPage;
}

/* SIGSYS of a filter, and not of somebody else. */
static int is_filters(const struct Thread* thread) {
    siginfo_t info = {0};
    ask(PTRACE_GETSIGINFO, thread, 0, &info);
    return info.si_code == 1; /* SYS_SECCOMP */
}

/* A process or thread that it has just made. */
static void kill_child(const struct Thread* thread) {
    unsigned long child = 0;
    ask(PTRACE_GETEVENTMSG, thread, 0, &child);
    kill((pid_t)child, SIGKILL);
}

/* Executes the one instruction that its registers point at. */
static struct Outcome step(const struct Thread* thread) {
    struct Outcome outcome = {RETURNED, 0};
    for (;;) {
        if (ptrace(PTRACE_SINGLESTEP, thread->tid, 0, 0) != 0 && errno != ESRCH)
            give_up(78, "ptrace");
        const int status = wait_for(thread);
        if (!WIFSTOPPED(status)) {
            const struct Outcome end = {KILLED, WIFSIGNALED(status) ? WTERMSIG(status) : 0};
            return end;
        }
        const int event = status >> 16, number = WSTOPSIG(status);
        if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK ||
            event == PTRACE_EVENT_CLONE) {
            kill_child(thread);
        } else if (event == 0 && number == SIGSYS && is_filters(thread)) {
            outcome.kind = TRAPPED;
        } else if (event == 0 && number == SIGTRAP) {
            break;
        } else if (event == 0 && (number == SIGSEGV || number == SIGILL)) {
            outcome.kind = SIGNALLED;
            outcome.value = number;
            return outcome;
        }
    }
    if (outcome.kind != RETURNED) return outcome;
    struct user_regs_struct now;
    ask(PTRACE_GETREGS, thread, 0, &now);
    outcome.value = (long)now.rax;
    return outcome;
}

static struct user_regs_struct at_its_call(const struct Thread* thread, long number) {
    struct user_regs_struct now = thread->before;
    now.rip -= 2;
    now.orig_rax = (unsigned long)-1; /* nothing that is to be begun anew */
    now.rax = (unsigned long)number;
    return now;
}

struct Outcome thread_call(struct Thread* thread, long number, const unsigned long arguments[6]) {
    struct user_regs_struct now = at_its_call(thread, number);
    now.rdi = arguments[0];
    now.rsi = arguments[1];
    now.rdx = arguments[2];
    now.r10 = arguments[3];
    now.r8 = arguments[4];
    now.r9 = arguments[5];
    ask(PTRACE_SETREGS, thread, 0, &now);
    return step(thread);
}

struct Outcome thread_call_as_32_bits(struct Thread* thread, long number,
                                      const unsigned long arguments[6]) {
    struct user_regs_struct now = at_its_call(thread, number);
    now.rbx = arguments[0];
    now.rcx = arguments[1];
    now.rdx = arguments[2];
    thread_write(thread, now.rip, &kInt80, sizeof(kInt80));
    ask(PTRACE_SETREGS, thread, 0, &now);
    const struct Outcome outcome = step(thread);
    if (outcome.kind != KILLED) thread_write(thread, now.rip, &kSyscall, sizeof(kSyscall));
    return outcome;
}

void thread_write(const struct Thread* thread, unsigned long at, const void* from, size_t size) {
    if (pwrite(thread->memory_file, from, size, (off_t)at) != (ssize_t)size)
        give_up(78, "its memory");
}

void thread_read(const struct Thread* thread, unsigned long at, void* to, size_t size) {
    if (pread(thread->memory_file, to, size, (off_t)at) != (ssize_t)size) give_up(78, "its memory");
}

void thread_release(struct Thread* thread) {
    ask(PTRACE_SETREGS, thread, 0, &thread->before);
    ask(PTRACE_DETACH, thread, 0, 0);
}
