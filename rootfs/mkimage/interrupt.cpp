#include "rootfs/mkimage/interrupt.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <csignal>

Result<Interrupt> Interrupt::create() {
    sigset_t wanted;
    ::sigemptyset(&wanted);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        // What the caller has ignored (nohup, a shell's background job) stays ignored.
        struct sigaction action {};
        if (::sigaction(signal, nullptr, &action) == 0 && action.sa_handler != SIG_IGN)
            ::sigaddset(&wanted, signal);
    }
    if (::sigprocmask(SIG_BLOCK, &wanted, nullptr) != 0) return Error::from_errno("sigprocmask");
    UniqueFd signals(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals) return Error::from_errno("signalfd");
    return Interrupt(std::move(signals));
}

Result<> Interrupt::follow(int lifeline) {
    if (::fcntl(lifeline, F_SETFD, FD_CLOEXEC) != 0 ||
        ::fcntl(lifeline, F_SETOWN, ::getpid()) != 0 || ::fcntl(lifeline, F_SETSIG, SIGINT) != 0 ||
        ::fcntl(lifeline, F_SETFL, O_ASYNC | O_NONBLOCK) != 0)
        return Error::from_errno("lifeline", "this way to run is not for users");
    // It may have ended before.
    char byte = 0;
    if (::read(lifeline, &byte, 1) == 0) ::raise(SIGINT);
    return Ok{};
}

Result<> Interrupt::check() {
    signalfd_siginfo info{};
    if (signal_ == 0 && ::read(signals_.get(), &info, sizeof(info)) == sizeof(info))
        signal_ = static_cast<int>(info.ssi_signo);
    if (signal_ != 0) return Error{"interrupted", EINTR};
    return Ok{};
}

Result<> Interrupt::wait_readable(int fd) {
    std::array<pollfd, 2> events{pollfd{fd, POLLIN, 0}, pollfd{signals_.get(), POLLIN, 0}};
    while (::poll(events.data(), events.size(), -1) < 0)
        if (errno != EINTR) return Error::from_errno("poll");
    return check();
}

void Interrupt::end_process_if_any() const {
    if (signal_ == 0) return;
    sigset_t one;
    ::sigemptyset(&one);
    ::sigaddset(&one, signal_);
    ::signal(signal_, SIG_DFL);
    ::raise(signal_);
    ::sigprocmask(SIG_UNBLOCK, &one, nullptr);
}
