// Signals as descriptors: the process's signals are blocked on every thread and read by main.
#pragma once

#include <csignal>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

// Sent to a vCPU's thread to take it out of KVM_RUN; its handler does nothing. Its number is in the
// filters, and the last is the same in every C library: the first is not.
inline int vcpu_kick_signal() {
    return SIGRTMAX;
}

// Whom they concern: the VM, or a program in it.
enum class SignalsFor { kVm, kProgram };

// This thread takes no signal any more but the kick, and those by which the processor reports its
// own faults: for a thread that is there before Signals are.
void block_all_signals();

class Signals {
public:
    // Blocks SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP and SIGCONT for this thread and those it
    // starts, for a program also SIGUSR1, SIGUSR2 and SIGWINCH; ignores SIGPIPE, and installs the
    // kick's handler. Main, before other threads.
    static Result<Signals> create(SignalsFor whom);

    // Readable when one of them has arrived.
    int fd() const { return fd_.get(); }

    // The signal's number, or 0 when none is there.
    int take() const;

    // The process stands still, and this thread at once, until SIGCONT. The thread that created.
    void stop_process() const;

private:
    Signals(UniqueFd fd, pid_t process, pid_t thread)
        : fd_(std::move(fd)), process_(process), thread_(thread) {}

    UniqueFd fd_;
    pid_t process_;
    pid_t thread_;
};
