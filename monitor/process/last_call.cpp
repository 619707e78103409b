#include "monitor/process/last_call.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <span>

#include "base/monotonic_clock.hpp"
#include "monitor/sandbox/fault_guard.hpp"

namespace {

constexpr std::array kEndingSignals = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): a handler has nobody to ask.
std::atomic<int> last_status{kStatusSignalBase + SIGALRM};

void on_last_call(int /*signal*/) {
    exit_from_handler(last_status.load(std::memory_order_relaxed));
}

void unblock(std::span<const int> signals) {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : signals) ::sigaddset(&set, signal);
    ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace

void prepare_last_call() {
    struct sigaction end {};
    end.sa_handler = &on_last_call;
    for (const int signal : kEndingSignals) ::sigaction(signal, &end, nullptr);
    ::sigaction(SIGALRM, &end, nullptr);
    // Whoever has started this process may have blocked it.
    unblock(std::array{SIGALRM});
}

void let_signals_end_process(int status) {
    last_status.store(status, std::memory_order_relaxed);
    unblock(kEndingSignals);
}

void limit_end_of_process(int status, uint64_t from_ns) {
    if (from_ns == UINT64_MAX) return;
    last_status.store(status, std::memory_order_relaxed);
    const uint64_t now = monotonic_ns();
    const uint64_t seconds = (std::max(from_ns, now) - now) / 1'000'000'000 + kLastCallSeconds;
    // By the call of that name: musl makes another of alarm(3).
    ::syscall(SYS_alarm, std::min<uint64_t>(seconds, INT32_MAX));
}
