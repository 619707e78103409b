#include "monitor/machine/signals.hpp"

#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "monitor/console/keeper_words.hpp"

void block_all_signals() {
    sigset_t set;
    ::sigfillset(&set);
    for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT})
        ::sigdelset(&set, signal);
    ::sigdelset(&set, vcpu_kick_signal());
    ::pthread_sigmask(SIG_SETMASK, &set, nullptr);
}

bool is_ignored(int signal) {
    struct sigaction found;  // NOLINT(cppcoreguidelines-pro-type-member-init): next line
    ::sigaction(signal, nullptr, &found);
    return found.sa_handler == SIG_IGN;
}

sigset_t heeded_signals(SignalsFor whom) {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : {SIGTSTP, SIGCONT}) ::sigaddset(&set, signal);
    if (whom == SignalsFor::kProgram)
        for (const int signal : {SIGUSR1, SIGUSR2, SIGWINCH}) ::sigaddset(&set, signal);
    for (const int signal : kEndingSignals)
        if (!is_ignored(signal)) ::sigaddset(&set, signal);
    return set;
}

Signals::Signals(UniqueFd fd, const sigset_t& heeded, int keeper)
    : fd_(std::move(fd)),
      heeded_(heeded),
      keeper_(keeper),
      process_(::getpid()),
      thread_(::gettid()) {}

Result<Signals> Signals::create(SignalsFor whom, int keeper) {
    const sigset_t heeded = heeded_signals(whom);
    sigset_t arriving = heeded;
    if (keeper >= 0) {
        ::sigemptyset(&arriving);
        for (int signal = 1; signal < kHandedOn; ++signal)
            if (::sigismember(&heeded, signal) == 1) ::sigaddset(&arriving, signal + kHandedOn);
    }
    sigset_t blocked = arriving;
    for (const int signal : {SIGTTIN, SIGTTOU}) ::sigaddset(&blocked, signal);
    ::pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
    // What they would end the process for is an error of a write too.
    struct sigaction action {};
    action.sa_handler = SIG_IGN;
    for (const int signal : {SIGPIPE, SIGXFSZ}) ::sigaction(signal, &action, nullptr);
    action.sa_handler = [](int) {};
    ::sigaction(vcpu_kick_signal(), &action, nullptr);
    // Whoever has started this process may have blocked it.
    sigset_t kicks;
    ::sigemptyset(&kicks);
    ::sigaddset(&kicks, vcpu_kick_signal());
    ::pthread_sigmask(SIG_UNBLOCK, &kicks, nullptr);
    UniqueFd fd(::signalfd(-1, &arriving, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd) return Error::from_errno("signalfd");
    if (keeper >= 0 && ::write(keeper, &keeper_words::kHeeds, 1) != 1)
        return Error::from_errno("keeper");
    return Signals{std::move(fd), heeded, keeper};
}

int Signals::arriving(int signal) const {
    if (::sigismember(&heeded_, signal) != 1) return 0;
    return keeper_ < 0 ? signal : signal + kHandedOn;
}

int Signals::take() const {
    signalfd_siginfo info{};
    if (::read(fd_.get(), &info, sizeof(info)) != sizeof(info)) return 0;
    const auto number = static_cast<int>(info.ssi_signo);
    return keeper_ < 0 ? number : number - kHandedOn;
}

void Signals::end_process(int signal) const {
    ::syscall(SYS_tgkill, process_, thread_, signal);
}

// Not by kill(2): that may be another thread's to take, and this one would go on until it has.
void Signals::stop_process() const {
    if (keeper_ < 0) {
        ::syscall(SYS_tgkill, process_, thread_, SIGSTOP);
        return;
    }
    ask_keeper(keeper_, keeper_words::kStop, -1);
}
