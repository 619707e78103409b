#include "monitor/process/run_command.hpp"

#include <unistd.h>

#include <vector>

#include "base/log.hpp"
#include "base/unique_fd.hpp"
#include "monitor/console/terminal.hpp"
#include "monitor/machine/config.hpp"
#include "monitor/machine/machine.hpp"
#include "monitor/machine/signals.hpp"
#include "monitor/process/ending_report.hpp"
#include "monitor/process/own_jail.hpp"
#include "monitor/process/own_network.hpp"
#include "monitor/process/run_options.hpp"
#include "monitor/process/supervisor.hpp"
#include "monitor/process/usage.hpp"
#include "monitor/sandbox/fault_guard.hpp"
#include "monitor/sandbox/status.hpp"

namespace {

int status_of(const Ending& ending, StdioKind stdio) {
    switch (ending.cause) {
        case Ending::Cause::kReport:
            return ending.status;
        case Ending::Cause::kGuest:
            return is_without_status(ending, stdio) ? kStatusGuestCrashed : 0;
        case Ending::Cause::kCrash:
            return kStatusGuestCrashed;
        case Ending::Cause::kUser:
            return 0;
        case Ending::Cause::kVersion:
        case Ending::Cause::kMonitor:
            return kStatusMonitorFailed;
        case Ending::Cause::kSignal:
            return kStatusSignalBase + ending.status;
        case Ending::Cause::kTimeout:
            return kStatusTimeout;
    }
    __builtin_unreachable();
}

// What the process opened or was given before it closes everything else for its jail.
std::vector<int> kept_files(const Config& config, const UniqueFd& network) {
    std::vector<int> kept;
    if (network) kept.push_back(network.get());
    for (const NicHost& nic : config.host.nics)
        if (nic.fd.has_value()) kept.push_back(*nic.fd);
    return kept;
}

// The terminal gets raw for a guest that reads keys itself.
Result<Terminal> terminal_for(const RunOptions& options) {
    const bool is_for_pipes =
        options.config.shape.stdio == StdioKind::kChannel &&
        (!options.image.has_value() || options.image->terminal == TerminalWanted::kNo);
    return is_for_pipes ? Terminal::untouched(STDIN_FILENO) : Terminal::create(STDIN_FILENO);
}

Result<int> run(RunOptions& options, HostFiles& files, Timeline& timeline) {
    if (options.image.has_value()) TRY(apply(*options.image, options.config));
    Config& config = options.config;
    TRY(validate(config, kFlagNames));
    const UniqueFd network = TRY(make_own_network(config));
    std::optional<OwnJail> jail;
    if (options.jail.has_value())
        jail = TRY(OwnJail::prepare(options.jail->ids, kept_files(config, network)));
    const Filters filters = TRY(choose_filters(options.filters));
    const bool has_channel = options.config.shape.stdio == StdioKind::kChannel;
    const Signals signals =
        TRY(Signals::create(has_channel ? SignalsFor::kProgram : SignalsFor::kVm));
    const Terminal terminal = TRY(terminal_for(options));
    TRY(files.open_missing(config, kFlagNames));
    timeline.mark(Stage::kOptions);

    const auto keys = terminal.is_terminal() ? EscapeKeys::kEnabled : EscapeKeys::kDisabled;
    auto machine = TRY(Machine::create(TRY(BlankVm::create()), config.shape,
                                       {.config = config.host,
                                        .files = files,
                                        .keys = keys,
                                        .changes = Changes::kNone,
                                        .timeline = timeline},
                                       {files.images(), config.boot.initrd_appended}));
    const EventFd memory_lost = TRY(EventFd::create());
    const FaultGuard guard(machine->ram_regions(), memory_lost, terminal);
    UniqueFd trace;
    if (options.trace_path != nullptr) trace = TRY(open_trace(options.trace_path));

    if (jail.has_value())
        TRY(jail->enter(config.shape.nics.empty() ? Network::kEmpty : Network::kKept));
    if (const auto started = machine->start(filters); !started.ok()) {
        machine->stop();  // the guard must outlive the threads that did start
        return started.error();
    }
    wait_for_end({.machine = *machine,
                  .signals = signals,
                  .memory_lost = memory_lost,
                  .terminal = terminal,
                  .timeout_ms = options.timeout_ms});
    timeline.mark(Stage::kExit);
    machine->stop();

    machine->stdio().drain(signals.fd());
    terminal.restore();
    const Ending& ending = machine->ending().ending();
    report_ending(ending, config.shape.stdio, options.timeout_ms.value_or(0), machine->stdio());
    if (trace) TRY(timeline.write_trace(trace.get()));
    const int status = status_of(ending, config.shape.stdio);
    leave_to_the_kernel(std::move(machine));
    return status;
}

}  // namespace

int run_command(std::span<const char* const> arguments, Timeline& timeline) {
    auto options = RunOptions::parse(arguments);
    if (!options.ok()) {
        log_error(options.error());
        return kStatusMonitorFailed;
    }
    if (options.value().help == HelpWanted::kYes) return print_usage();
    HostFiles files;
    const auto status = run(options.value(), files, timeline);
    if (status.ok()) return status.value();
    log_error(status.error());
    return kStatusMonitorFailed;
}
