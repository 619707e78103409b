#include "monitor/process/supervisor.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <csignal>

#include "base/monotonic_clock.hpp"
#include "monitor/sandbox/peer_signals.hpp"

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
bool take_terminal(const Supervision& supervision, bool was_anothers) {
    if (supervision.terminal.is_another_jobs()) return false;
    supervision.terminal.make_raw();
    supervision.machine.stdio().held_input().resume(was_anothers);
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

// The places of what is polled.
enum Event : uint8_t { kEnding, kSignal, kQuit, kMemoryLost, kHangup, kInput, kEventCount };
using Events = std::array<pollfd, kEventCount>;

void report_end(const Events& events, EndingLatch& ending) {
    if (events[kQuit].revents != 0) ending.report({.cause = Ending::Cause::kUser});
    if (const auto noted = noted_signal(); noted.has_value())
        ending.report(
            {.cause = Ending::Cause::kSignal, .status = static_cast<uint8_t>(noted->number)});
    else if (events[kMemoryLost].revents != 0)
        ending.report({.cause = Ending::Cause::kCrash,
                       .crash = {.reason = "guest memory is gone (a file was cut short)"}});
    if (events[kHangup].revents != 0) ending.report({.cause = Ending::Cause::kHungUp});
}

// When there is something to do though nothing happens.
uint64_t due_ns(const Supervision& supervision, bool has_terminal) {
    const Observation* const metrics = supervision.metrics;
    const uint64_t metrics_due = metrics == nullptr ? kNever : metrics->metrics_due_ns();
    const uint64_t look = has_terminal ? kNever : monotonic_ns() + kForegroundNs;
    return std::min({supervision.end_ns, metrics_due, look});
}

}  // namespace

void wait_for_end(const Supervision& supervision) {
    EndingLatch& ending = supervision.machine.ending();
    const Stdio& stdio = supervision.machine.stdio();
    const uint64_t end = supervision.end_ns;
    Observation* const metrics = supervision.metrics;
    bool has_terminal = !supervision.terminal.is_another_jobs();
    while (!ending.has_ended()) {
        Events events{{
            {ending.fd(), POLLIN, 0},
            {supervision.signals.fd(), POLLIN, 0},
            {stdio.quit_fd(), POLLIN, 0},
            {supervision.memory_lost.fd(), POLLIN, 0},
            {supervision.hangup_fd, POLLIN, 0},
            {has_terminal ? stdio.held_input().fd() : -1, POLLIN, 0},
        }};
        const int ready = ::poll(events.data(), events.size(),
                                 milliseconds_until(due_ns(supervision, has_terminal)));
        if (metrics != nullptr) metrics->flush_metrics_if_due(monotonic_ns());
        if (ready == 0 && monotonic_ns() >= end) ending.report({.cause = Ending::Cause::kTimeout});
        if (ready > 0) {
            report_end(events, ending);
            if (events[kSignal].revents != 0)
                handle_signal(supervision, supervision.signals.take());
        }
        const bool looks = !has_terminal || events[kSignal].revents != 0;
        if (looks || events[kInput].revents != 0)
            has_terminal = take_terminal(supervision, !has_terminal);
    }
}
