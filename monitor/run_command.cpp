#include "monitor/run_command.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <string>

#include "base/log.hpp"
#include "base/unique_fd.hpp"
#include "monitor/config.hpp"
#include "monitor/console/terminal.hpp"
#include "monitor/fault_guard.hpp"
#include "monitor/machine.hpp"
#include "monitor/own_jail.hpp"
#include "monitor/own_network.hpp"
#include "monitor/run_options.hpp"
#include "monitor/signals.hpp"
#include "monitor/status.hpp"
#include "monitor/supervisor.hpp"
#include "monitor/usage.hpp"

namespace {

void log_crash(const GuestCrash& crash) {
    std::array<char, 3 * sizeof(crash.instruction) + 1> bytes{};
    for (size_t i = 0; i < crash.instruction_size; ++i)
        std::snprintf(&bytes[3 * i], 4, " %02x", crash.instruction[i]);
    log_line("guest crashed: %s (code %#" PRIx64 ") at rip %#" PRIx64 "%s%s", crash.reason,
             crash.code, crash.rip, crash.instruction_size > 0 ? ", instruction bytes" : "",
             bytes.data());
}

// A guest that is there for a program and ended without that program's status has failed.
bool is_without_status(const Ending& ending, const Config& config) {
    return ending.cause == Ending::Cause::kGuest && config.stdio == StdioKind::kChannel;
}

int status_of(const Ending& ending, const Config& config) {
    switch (ending.cause) {
        case Ending::Cause::kReport:
            return ending.status;
        case Ending::Cause::kGuest:
            return is_without_status(ending, config) ? kStatusGuestCrashed : 0;
        case Ending::Cause::kCrash:
            return kStatusGuestCrashed;
        case Ending::Cause::kUser:
            return 0;
        case Ending::Cause::kMonitor:
            return kStatusMonitorFailed;
        case Ending::Cause::kSignal:
            return kStatusSignalBase + ending.status;
        case Ending::Cause::kTimeout:
            return kStatusTimeout;
    }
    __builtin_unreachable();
}

// What a console that nobody saw has to say about a failure.
void show_last_words(const Stdio& stdio) {
    const std::string words = stdio.last_words();
    if (!words.empty())
        std::fprintf(stderr, "mayfly: the guest's console said:\n%s\n", words.c_str());
}

void report(const Ending& ending, const RunOptions& options, const Stdio& stdio) {
    switch (ending.cause) {
        case Ending::Cause::kCrash:
            log_crash(ending.crash);
            show_last_words(stdio);
            break;
        case Ending::Cause::kGuest:
            if (!is_without_status(ending, options.config)) break;
            log_line("the guest ended before its program did");
            show_last_words(stdio);
            break;
        case Ending::Cause::kMonitor:
            log_error(ending.error);
            break;
        case Ending::Cause::kTimeout:
            log_line("--timeout: the guest still ran after %" PRIu64 " ms",
                     options.timeout_ms.value_or(0));
            show_last_words(stdio);
            break;
        default:
            break;
    }
    if (stdio.dropped_bytes() > 0)
        log_line("%" PRIu64 " bytes of the guest's output were lost: nobody read them",
                 stdio.dropped_bytes());
}

Result<UniqueFd> open_trace(const char* path) {
    UniqueFd fd(::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0644));
    if (!fd) return Error::from_errno("--trace").about(path);
    return fd;
}

// What the process opened or was given before it closes everything else for its jail.
std::vector<int> kept_files(const Config& config, const UniqueFd& network) {
    std::vector<int> kept;
    if (network) kept.push_back(network.get());
    for (const NicConfig& nic : config.nics)
        if (nic.fd.has_value()) kept.push_back(*nic.fd);
    return kept;
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

// The terminal gets raw for a guest that reads keys itself.
Result<Terminal> terminal_for(const RunOptions& options) {
    const bool is_for_pipes =
        options.config.stdio == StdioKind::kChannel &&
        (!options.image.has_value() || options.image->terminal == TerminalWanted::kNo);
    return is_for_pipes ? Terminal::untouched(STDIN_FILENO) : Terminal::create(STDIN_FILENO);
}

// Errors may be about strings of `options` and `files`, which outlive this call.
Result<int> run(RunOptions& options, HostFiles& files, Timeline& timeline) {
    if (options.image.has_value()) TRY(apply(*options.image, options.config));
    Config& config = options.config;
    TRY(validate(config, kFlagNames));
    const UniqueFd network = TRY(make_own_network(config));
    std::optional<OwnJail> jail;
    if (options.jail.has_value())
        jail = TRY(OwnJail::prepare(options.jail->ids, kept_files(config, network)));
    const Filters filters = TRY(filters_of(options));
    const bool has_channel = options.config.stdio == StdioKind::kChannel;
    const Signals signals =
        TRY(Signals::create(has_channel ? SignalsFor::kProgram : SignalsFor::kVm));
    const Terminal terminal = TRY(terminal_for(options));
    TRY(files.open_missing(config, kFlagNames));
    timeline.mark(Stage::kOptions);

    const auto keys = terminal.is_terminal() ? EscapeKeys::kEnabled : EscapeKeys::kDisabled;
    const auto machine = TRY(Machine::create(config, files, keys, Changes::kNone, timeline));
    const EventFd memory_lost = TRY(EventFd::create());
    const FaultGuard guard(machine->ram_regions(), memory_lost, terminal);
    UniqueFd trace;
    if (options.trace_path != nullptr) trace = TRY(open_trace(options.trace_path));

    if (jail.has_value()) TRY(jail->enter(config.nics.empty() ? Network::kEmpty : Network::kKept));
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
    report(ending, options, machine->stdio());
    if (trace) TRY(timeline.write_trace(trace.get()));
    return status_of(ending, options.config);
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
