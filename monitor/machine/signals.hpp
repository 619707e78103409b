// Signals as descriptors: the process's signals are blocked on every thread and read by main.
#pragma once

#include <array>
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

// Whether the caller has had it ignored.
bool is_ignored(int signal);

inline constexpr std::array kEndingSignals = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

// What main heeds: SIGTSTP and SIGCONT, for a program also SIGUSR1, SIGUSR2 and SIGWINCH; and
// kEndingSignals, but none that the caller has had ignored, as nohup(1) does.
sigset_t heeded_signals(SignalsFor whom);

// A keeper (monitor/process/keeper.hpp) hands signals on as real-time ones: SIGINT as the number
// SIGINT + kHandedOn, and so on. Those that others send to the process itself do nothing, as it is
// the first one of its namespace.
inline constexpr int kHandedOn = 35;

// This thread takes no signal any more but the kick, and those by which the processor reports its
// own faults: for a thread that is there before Signals are.
void block_all_signals();

class Signals {
public:
    // Blocks those to heed for this thread and those it starts, and SIGTTIN and SIGTTOU, so that
    // reading the terminal from the background is an error and no stop; ignores SIGPIPE and
    // SIGXFSZ, and installs the kick's handler. `keeper`: the socket to the process that hands them
    // on; -1: they come by themselves. Main, before other threads. Errors: as signalfd(2).
    static Result<Signals> create(SignalsFor whom, int keeper = -1);

    // Readable when one of them has arrived.
    int fd() const { return fd_.get(); }

    // The signal's number, or 0 when none is there.
    int take() const;

    // The process stands still, and this thread at once, until SIGCONT. The thread that created.
    void stop_process() const;

    // Ends the process by `signal` itself, if that has its default and is not blocked. Returns
    // where that does nothing: to the first process of a namespace. The thread that created.
    void end_process(int signal) const;

    // The number by which `signal` comes here; 0: it is not heeded.
    int arriving(int signal) const;

private:
    Signals(UniqueFd fd, const sigset_t& heeded, int keeper);

    UniqueFd fd_;
    sigset_t heeded_;
    int keeper_;
    pid_t process_;
    pid_t thread_;
};
