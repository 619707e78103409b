#include "monitor/supervisor.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <climits>
#include <csignal>

namespace {

using Clock = std::chrono::steady_clock;

// The end of the guest's time; max() where it has no end.
Clock::time_point deadline(const std::optional<uint64_t>& timeout_ms) {
    // Past this many, clocks would wrap around.
    constexpr uint64_t kMostMs = 1ULL << 40;
    if (!timeout_ms.has_value() || *timeout_ms > kMostMs) return Clock::time_point::max();
    return Clock::now() + std::chrono::milliseconds(*timeout_ms);
}

// For poll(2): -1 without an end, else rounded up, so that it is never early.
int milliseconds_until(Clock::time_point end) {
    if (end == Clock::time_point::max()) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
    return static_cast<int>(std::clamp<int64_t>(left, 0, INT_MAX));
}

// Stops the process as its shell asked, with the terminal as the shell left it.
void suspend(const Terminal& terminal) {
    terminal.restore();
    ::kill(::getpid(), SIGSTOP);
    terminal.make_raw();
}

void handle_signal(const Supervision& supervision, int number) {
    switch (number) {
        case 0:
            break;
        case SIGTSTP:
            suspend(supervision.terminal);
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
    const Clock::time_point end = deadline(supervision.timeout_ms);
    while (!ending.has_ended()) {
        std::array<pollfd, 4> events{{
            {ending.fd(), POLLIN, 0},
            {supervision.signals.fd(), POLLIN, 0},
            {supervision.machine.stdio().quit_fd(), POLLIN, 0},
            {supervision.memory_lost.fd(), POLLIN, 0},
        }};
        const int ready = ::poll(events.data(), events.size(), milliseconds_until(end));
        if (ready == 0) ending.report({.cause = Ending::Cause::kTimeout});
        if (ready <= 0) continue;  // EINTR
        if (events[2].revents != 0) ending.report({.cause = Ending::Cause::kUser});
        if (events[3].revents != 0)
            ending.report({.cause = Ending::Cause::kCrash,
                           .crash = {.reason = "guest memory is gone (a file was cut short)"}});
        if (events[1].revents != 0) handle_signal(supervision, supervision.signals.take());
    }
}
