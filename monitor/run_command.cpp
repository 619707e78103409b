#include "monitor/run_command.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cinttypes>
#include <csignal>
#include <cstdio>

#include "base/log.hpp"
#include "base/unique_fd.hpp"
#include "monitor/config.hpp"
#include "monitor/console/terminal.hpp"
#include "monitor/fault_guard.hpp"
#include "monitor/machine.hpp"
#include "monitor/own_jail.hpp"
#include "monitor/run_options.hpp"
#include "monitor/signals.hpp"
#include "monitor/status.hpp"
#include "monitor/usage.hpp"

namespace {

// Stops the process as its shell asked, with the terminal as the shell left it.
void suspend(const Terminal& terminal) {
    terminal.restore();
    ::kill(::getpid(), SIGSTOP);
    terminal.make_raw();
}

// Waits for the VM's end, whoever brings it about.
void wait_for_end(Machine& machine, const Signals& signals, const EventFd& memory_lost,
                  const Terminal& terminal) {
    EndingLatch& ending = machine.ending();
    while (!ending.has_ended()) {
        std::array<pollfd, 4> events{{
            {ending.fd(), POLLIN, 0},
            {signals.fd(), POLLIN, 0},
            {machine.console().quit_fd(), POLLIN, 0},
            {memory_lost.fd(), POLLIN, 0},
        }};
        if (::poll(events.data(), events.size(), -1) < 0) continue;  // EINTR
        if (events[2].revents != 0) ending.report({.cause = Ending::Cause::kUser});
        if (events[3].revents != 0)
            ending.report({.cause = Ending::Cause::kCrash,
                           .crash = {.reason = "guest memory is gone (a file was cut short)"}});
        if (events[1].revents == 0) continue;
        const int signal = signals.take();
        if (signal == SIGTSTP)
            suspend(terminal);
        else if (signal == SIGCONT)
            terminal.make_raw();
        else if (signal != 0)
            ending.report(
                {.cause = Ending::Cause::kSignal, .status = static_cast<uint8_t>(signal)});
    }
}

void log_crash(const GuestCrash& crash) {
    std::array<char, 3 * sizeof(crash.instruction) + 1> bytes{};
    for (size_t i = 0; i < crash.instruction_size; ++i)
        std::snprintf(&bytes[3 * i], 4, " %02x", crash.instruction[i]);
    log_line("guest crashed: %s (code %#" PRIx64 ") at rip %#" PRIx64 "%s%s", crash.reason,
             crash.code, crash.rip, crash.instruction_size > 0 ? ", instruction bytes" : "",
             bytes.data());
}

int status_of(const Ending& ending) {
    switch (ending.cause) {
        case Ending::Cause::kGuest:
            return ending.status;
        case Ending::Cause::kCrash:
            return kStatusGuestCrashed;
        case Ending::Cause::kUser:
            return 0;
        case Ending::Cause::kMonitor:
            return kStatusMonitorFailed;
        case Ending::Cause::kSignal:
            return kStatusSignalBase + ending.status;
    }
    __builtin_unreachable();
}

void report(const Ending& ending, const ConsoleOutput& output) {
    if (ending.cause == Ending::Cause::kCrash) log_crash(ending.crash);
    if (ending.cause == Ending::Cause::kMonitor) log_error(ending.error);
    if (output.dropped_bytes() > 0)
        log_line("%" PRIu64 " bytes of serial output were lost: nobody read stdout",
                 output.dropped_bytes());
}

Result<UniqueFd> open_trace(const char* path) {
    UniqueFd fd(::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0644));
    if (!fd) return Error::from_errno("--trace").about(path);
    return fd;
}

std::vector<int> inherited_taps(const Config& config) {
    std::vector<int> taps;
    for (const NicConfig& nic : config.nics)
        if (nic.fd.has_value()) taps.push_back(*nic.fd);
    return taps;
}

Result<Filters> filters_of(const RunOptions& options) {
    if (options.seccomp == Seccomp::kNone) {
        log_line(
            "--no-seccomp: no system call is filtered; a guest that breaks out owns this user");
        return Filters::none();
    }
    if (options.filter_path == nullptr) return Filters::embedded();
    auto filters = Filters::load(options.filter_path);
    if (!filters.ok()) return filters.error().about(options.filter_path);
    return filters;
}

Result<int> run(const RunOptions& options, Timeline& timeline) {
    TRY(validate(options.config));
    std::optional<OwnJail> jail;
    if (options.jail.has_value())
        jail = TRY(OwnJail::prepare(options.jail->ids, inherited_taps(options.config)));
    const Filters filters = TRY(filters_of(options));
    const Signals signals = TRY(Signals::create());
    const Terminal terminal = TRY(Terminal::create(STDIN_FILENO));
    timeline.mark(Stage::kOptions);

    const auto keys = terminal.is_terminal() ? EscapeKeys::kEnabled : EscapeKeys::kDisabled;
    const auto machine = TRY(Machine::create(options.config, keys, timeline));
    const EventFd memory_lost = TRY(EventFd::create());
    const FaultGuard guard(machine->ram_regions(), memory_lost, terminal);
    UniqueFd trace;
    if (options.trace_path != nullptr) trace = TRY(open_trace(options.trace_path));

    if (jail.has_value())
        TRY(jail->enter(options.config.nics.empty() ? Network::kEmpty : Network::kKept));
    if (const auto started = machine->start(filters); !started.ok()) {
        machine->stop();  // the guard must outlive the threads that did start
        return started.error();
    }
    wait_for_end(*machine, signals, memory_lost, terminal);
    timeline.mark(Stage::kExit);
    machine->stop();

    ConsoleOutput& output = machine->console().output();
    output.drain(signals.fd());
    terminal.restore();
    const Ending& ending = machine->ending().ending();
    report(ending, output);
    if (trace) TRY(timeline.write_trace(trace.get()));
    return status_of(ending);
}

}  // namespace

int run_command(std::span<const char* const> arguments, Timeline& timeline) {
    const auto options = RunOptions::parse(arguments);
    if (!options.ok()) {
        log_error(options.error());
        return kStatusMonitorFailed;
    }
    if (options.value().help == HelpWanted::kYes) return print_usage();
    const auto status = run(options.value(), timeline);
    if (status.ok()) return status.value();
    log_error(status.error());
    return kStatusMonitorFailed;
}
