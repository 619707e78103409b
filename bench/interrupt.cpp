#include "bench/interrupt.hpp"

#include <poll.h>
#include <sys/signalfd.h>

#include <csignal>

namespace {

// Signals are the process's, and so is this: what waits anywhere has to see it.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables)
int watched = -1;

}  // namespace

void watch_for_signals() {
    if (watched >= 0) return;
    sigset_t signals;
    ::sigemptyset(&signals);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&signals, signal);
    // It is never read, so that whoever looks finds the signal. Without it they keep their effect.
    watched = ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (watched >= 0) ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

bool was_signalled() {
    pollfd wanted{.fd = watched, .events = POLLIN, .revents = 0};
    return ::poll(&wanted, 1, 0) > 0;
}

int signal_fd() {
    return watched;
}

Error interruption() {
    return Error{"measurement", EINTR, "ended by a signal"};
}
