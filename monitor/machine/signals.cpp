#include "monitor/machine/signals.hpp"

#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

void block_all_signals() {
    sigset_t set;
    ::sigfillset(&set);
    for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT})
        ::sigdelset(&set, signal);
    ::sigdelset(&set, vcpu_kick_signal());
    ::pthread_sigmask(SIG_SETMASK, &set, nullptr);
}

Result<Signals> Signals::create(SignalsFor whom) {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT})
        ::sigaddset(&set, signal);
    if (whom == SignalsFor::kProgram)
        for (const int signal : {SIGUSR1, SIGUSR2, SIGWINCH}) ::sigaddset(&set, signal);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    struct sigaction kick {};
    kick.sa_handler = [](int) {};
    ::sigaction(vcpu_kick_signal(), &kick, nullptr);
    // Whoever has started this process may have blocked it.
    sigset_t kicks;
    ::sigemptyset(&kicks);
    ::sigaddset(&kicks, vcpu_kick_signal());
    ::pthread_sigmask(SIG_UNBLOCK, &kicks, nullptr);
    UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd) return Error::from_errno("signalfd");
    return Signals{std::move(fd), ::getpid(), ::gettid()};
}

int Signals::take() const {
    signalfd_siginfo info{};
    if (::read(fd_.get(), &info, sizeof(info)) != sizeof(info)) return 0;
    return static_cast<int>(info.ssi_signo);
}

// Not by kill(2): that may be another thread's to take, and this one would go on until it has.
void Signals::stop_process() const {
    ::syscall(SYS_tgkill, process_, thread_, SIGSTOP);
}
