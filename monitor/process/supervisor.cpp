#include "monitor/process/supervisor.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <csignal>

#include "base/monotonic_clock.hpp"

namespace {

constexpr uint64_t kNever = UINT64_MAX;
// How often a terminal is looked at whose foreground is another job's: a shell does not tell a job
// that runs that it has become the foreground's.
constexpr uint64_t kForegroundNs = 300'000'000;

// Stops the process as its shell asked, with the terminal as the shell left it.
void suspend(const Supervision& supervision) {
    supervision.terminal.restore();
    supervision.signals.stop_process();
}

// False: it is another job's.
bool take_terminal(const Supervision& supervision) {
    if (supervision.terminal.is_another_jobs()) return false;
    supervision.terminal.make_raw();
    supervision.machine.stdio().held_input().resume();
    return true;
}

void handle_signal(const Supervision& supervision, int number) {
    switch (number) {
        case 0:
            break;
        case SIGTSTP:
            suspend(supervision);
            break;
        case SIGCONT:
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
    const uint64_t end = supervision.end_ns;
    Observation* const metrics = supervision.metrics;
    bool is_waiting_for_terminal = supervision.terminal.is_another_jobs();
    while (!ending.has_ended()) {
        const HeldInput& input = supervision.machine.stdio().held_input();
        std::array<pollfd, 6> events{{
            {ending.fd(), POLLIN, 0},
            {supervision.signals.fd(), POLLIN, 0},
            {supervision.machine.stdio().quit_fd(), POLLIN, 0},
            {supervision.memory_lost.fd(), POLLIN, 0},
            {supervision.hangup_fd, POLLIN, 0},
            {is_waiting_for_terminal ? -1 : input.fd(), POLLIN, 0},
        }};
        const uint64_t metrics_due = metrics == nullptr ? kNever : metrics->metrics_due_ns();
        const uint64_t look = is_waiting_for_terminal ? monotonic_ns() + kForegroundNs : kNever;
        const int ready = ::poll(events.data(), events.size(),
                                 milliseconds_until(std::min({end, metrics_due, look})));
        if (metrics != nullptr) metrics->flush_metrics_if_due(monotonic_ns());
        if (ready == 0 && monotonic_ns() >= end) ending.report({.cause = Ending::Cause::kTimeout});
        if (is_waiting_for_terminal || events[5].revents != 0)
            is_waiting_for_terminal = !take_terminal(supervision);
        if (ready <= 0) continue;  // EINTR
        if (events[2].revents != 0) ending.report({.cause = Ending::Cause::kUser});
        if (events[3].revents != 0)
            ending.report({.cause = Ending::Cause::kCrash,
                           .crash = {.reason = "guest memory is gone (a file was cut short)"}});
        if (events[4].revents != 0)
            ending.report({.cause = Ending::Cause::kSignal, .status = SIGHUP});
        if (events[1].revents != 0) {
            handle_signal(supervision, supervision.signals.take());
            is_waiting_for_terminal = !take_terminal(supervision);
        }
    }
}
