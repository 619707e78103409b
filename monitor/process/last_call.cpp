#include "monitor/process/last_call.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>

#include "base/monotonic_clock.hpp"
#include "monitor/sandbox/fault_guard.hpp"

namespace {

// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): a handler has nobody to ask.
std::atomic<int> last_status{kStatusSignalBase + SIGALRM};

void on_last_call(int /*signal*/) {
    exit_from_handler(last_status.load(std::memory_order_relaxed));
}

void unblock(const sigset_t& set) {
    ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

// By the numbers by which they come.
sigset_t ending_signals(const Signals& signals) {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT})
        if (const int number = signals.arriving(signal); number != 0) ::sigaddset(&set, number);
    return set;
}

}  // namespace

void prepare_last_call(const Signals& signals) {
    sigset_t ending = ending_signals(signals);
    ::sigaddset(&ending, SIGALRM);
    struct sigaction end {};
    end.sa_handler = &on_last_call;
    for (int signal = 1; signal < vcpu_kick_signal(); ++signal)
        if (::sigismember(&ending, signal) == 1) ::sigaction(signal, &end, nullptr);
    // Whoever has started this process may have blocked it.
    sigset_t alarms;
    ::sigemptyset(&alarms);
    ::sigaddset(&alarms, SIGALRM);
    unblock(alarms);
}

void let_signals_end_process(const Signals& signals, int status) {
    last_status.store(status, std::memory_order_relaxed);
    unblock(ending_signals(signals));
}

void limit_end_of_process(int status, uint64_t from_ns) {
    if (from_ns == UINT64_MAX) return;
    last_status.store(status, std::memory_order_relaxed);
    const uint64_t now = monotonic_ns();
    const uint64_t seconds = (std::max(from_ns, now) - now) / 1'000'000'000 + kLastCallSeconds;
    // By the call of that name: musl makes another of alarm(3).
    ::syscall(SYS_alarm, std::min<uint64_t>(seconds, INT32_MAX));
}
