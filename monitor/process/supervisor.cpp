#include "monitor/process/supervisor.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <climits>
#include <csignal>

#include "base/monotonic_clock.hpp"

namespace {

constexpr uint64_t kNever = UINT64_MAX;
constexpr uint64_t kNanosecondsPerMillisecond = 1'000'000;

// The end of the guest's time on the monotonic clock; kNever where it has no end.
uint64_t deadline(const std::optional<uint64_t>& timeout_ms) {
    // Past this many, clocks would wrap around.
    constexpr uint64_t kMostMs = 1ULL << 40;
    if (!timeout_ms.has_value() || *timeout_ms > kMostMs) return kNever;
    return monotonic_ns() + *timeout_ms * kNanosecondsPerMillisecond;
}

// For poll(2): -1 without an end, else rounded up, so that it is never early.
int milliseconds_until(uint64_t end_ns) {
    if (end_ns == kNever) return -1;
    const uint64_t now = monotonic_ns();
    if (end_ns <= now) return 0;
    const uint64_t left_ms = (end_ns - now - 1) / kNanosecondsPerMillisecond + 1;
    return static_cast<int>(std::min<uint64_t>(left_ms, INT_MAX));
}

// Stops the process as its shell asked, with the terminal as the shell left it.
void suspend(const Supervision& supervision) {
    supervision.terminal.restore();
    supervision.signals.stop_process();
    supervision.terminal.make_raw();
}

void handle_signal(const Supervision& supervision, int number) {
    switch (number) {
        case 0:
            break;
        case SIGTSTP:
            suspend(supervision);
            break;
        case SIGCONT:
            supervision.terminal.make_raw();
            break;
        case SIGWINCH:
            supervision.machine.stdio().on_window_change();
            break;
        default:
            if (supervision.machine.stdio().on_signal(number) == SignalFate::kEndsVm)
                supervision.machine.ending().report(
                    {.cause = Ending::Cause::kSignal, .status = static_cast<uint8_t>(number)});
    }
}

}  // namespace

void wait_for_end(const Supervision& supervision) {
    EndingLatch& ending = supervision.machine.ending();
    const uint64_t end = deadline(supervision.timeout_ms);
    Observation* const metrics = supervision.metrics;
    while (!ending.has_ended()) {
        std::array<pollfd, 5> events{{
            {ending.fd(), POLLIN, 0},
            {supervision.signals.fd(), POLLIN, 0},
            {supervision.machine.stdio().quit_fd(), POLLIN, 0},
            {supervision.memory_lost.fd(), POLLIN, 0},
            {supervision.hangup_fd, POLLIN, 0},
        }};
        const uint64_t metrics_due = metrics == nullptr ? kNever : metrics->metrics_due_ns();
        const int ready =
            ::poll(events.data(), events.size(), milliseconds_until(std::min(end, metrics_due)));
        if (metrics != nullptr) metrics->flush_metrics_if_due(monotonic_ns());
        if (ready == 0 && monotonic_ns() >= end) ending.report({.cause = Ending::Cause::kTimeout});
        if (ready <= 0) continue;  // EINTR
        if (events[2].revents != 0) ending.report({.cause = Ending::Cause::kUser});
        if (events[3].revents != 0)
            ending.report({.cause = Ending::Cause::kCrash,
                           .crash = {.reason = "guest memory is gone (a file was cut short)"}});
        if (events[4].revents != 0)
            ending.report({.cause = Ending::Cause::kSignal, .status = SIGHUP});
        if (events[1].revents != 0) handle_signal(supervision, supervision.signals.take());
    }
}
