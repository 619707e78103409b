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

}  // namespace

void prepare_last_call(const Signals& signals, Defaults defaults) {
    struct sigaction end {};
    end.sa_handler = &on_last_call;
    for (const int signal : kEndingSignals) {
        const int number = signals.arriving(signal);
        if (number != 0 && (defaults == Defaults::kReplaced || signal == SIGHUP))
            ::sigaction(number, &end, nullptr);
    }
    ::sigaction(SIGALRM, &end, nullptr);
    // Whoever has started this process may have blocked it.
    sigset_t alarms;
    ::sigemptyset(&alarms);
    ::sigaddset(&alarms, SIGALRM);
    unblock(alarms);
}

void let_signals_end_process(const Signals& signals, int status) {
    last_status.store(status, std::memory_order_relaxed);
    sigset_t ending;
    ::sigemptyset(&ending);
    for (const int signal : kEndingSignals)
        if (const int number = signals.arriving(signal); number != 0) ::sigaddset(&ending, number);
    unblock(ending);
}

void limit_end_of_process(int status, uint64_t from_ns) {
    if (from_ns == UINT64_MAX) return;
    last_status.store(status, std::memory_order_relaxed);
    const uint64_t now = monotonic_ns();
    const uint64_t seconds = (std::max(from_ns, now) - now) / 1'000'000'000 + kLastCallSeconds;
    // By the call of that name: musl makes another of alarm(3).
    ::syscall(SYS_alarm, std::min<uint64_t>(seconds, INT32_MAX));
}
