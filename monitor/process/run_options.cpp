#include "monitor/process/run_options.hpp"

#include <array>

#include "base/options.hpp"
#include "monitor/machine/device_options.hpp"

namespace {

constexpr std::array kFlags = {
    Flag{"--kernel"},
    Flag{"--initrd"},
    Flag{"--cmdline"},
    Flag{"--memory"},
    Flag{"--vcpus"},
    Flag{"--disk", FlagValue::kRequired, FlagCount::kRepeatable},
    Flag{"--net", FlagValue::kRequired, FlagCount::kRepeatable},
    Flag{"--publish", FlagValue::kRequired, FlagCount::kRepeatable},
    Flag{"--image"},
    Flag{"--rw", FlagValue::kNone},
    Flag{"--env", FlagValue::kRequired, FlagCount::kRepeatable},
    Flag{"--workdir"},
    Flag{"--user"},
    Flag{"--hostname"},
    Flag{"-t", FlagValue::kNone},
    Flag{"--timeout"},
    Flag{"--stdio"},
    Flag{"--trace"},
    Flag{"--boot-timer", FlagValue::kNone},
    Flag{"--jail", FlagValue::kOptional},
    Flag{"--seccomp-filter"},
    Flag{"--no-seccomp", FlagValue::kNone},
    Flag{"--help", FlagValue::kNone},
};

// For a kernel of the user's: speak on the serial line, end the VM where a PC would reboot, and do
// not test the ciphers at each start. Upstream's default is not to; a distribution's kernel that
// does spends half of its boot on it.
constexpr char kDefaultCommandLine[] = "console=ttyS0 reboot=k panic=-1 cryptomgr.notests";

std::string command_line_of(const Options& options) {
    std::string line;
    if (const char* const given = options.get("--cmdline"))
        line = given;
    else if (options.has("--kernel") && !options.has("--image"))
        line = kDefaultCommandLine;
    if (options.rest().empty() || options.has("--image")) return line;
    // Linux hands what follows `--` to init.
    line += line.empty() ? "--" : " --";
    for (const char* const argument : options.rest()) line.append(" ").append(argument);
    return line;
}

// None without --image; then no flag that concerns it may be there.
Result<std::optional<ImageRun>> parse_image(const Options& options) {
    const char* const path = options.get("--image");
    if (path == nullptr) {
        for (const char* const flag : {"--rw", "--env", "--workdir", "--user", "--hostname", "-t"})
            if (options.has(flag)) return Error{flag, 0, "needs an --image"};
        return std::optional<ImageRun>{};
    }
    const auto optional = [&options](const char* flag) {
        const char* const value = options.get(flag);
        return value == nullptr ? std::nullopt : std::optional<std::string>(value);
    };
    ImageRun run{.image_path = path,
                 .working_directory = optional("--workdir"),
                 .user = optional("--user"),
                 .hostname = optional("--hostname")};
    if (options.has("--rw")) run.access = ImageAccess::kReadWrite;
    if (options.has("-t")) run.terminal = TerminalWanted::kYes;
    for (const char* const argument : options.rest()) run.arguments.emplace_back(argument);
    for (const char* const variable : options.all("--env")) run.environment.emplace_back(variable);
    return std::optional(std::move(run));
}

Result<StdioKind> parse_stdio(const char* text) {
    const std::string_view kind = text;
    if (kind == "serial") return StdioKind::kSerial;
    if (kind == "channel") return StdioKind::kChannel;
    return Error{"--stdio", 0, "is neither serial nor channel"}.about(text);
}

}  // namespace

Result<RunOptions> RunOptions::parse(std::span<const char* const> arguments) {
    const Options options = TRY(Options::parse(kFlags, arguments));
    RunOptions run;
    if (options.has("--help")) run.help = HelpWanted::kYes;
    if (const char* const path = options.get("--kernel")) run.config.kernel_path = path;
    if (const char* const path = options.get("--initrd")) run.config.initrd_path = path;
    for (const char* const flag : {"--kernel", "--initrd", "--trace", "--seccomp-filter"}) {
        const char* const path = options.get(flag);
        if (path != nullptr && *path == '\0') return Error{flag, 0, "needs a file's name"};
    }
    if (const char* const size = options.get("--memory"))
        run.config.memory_bytes = TRY(named("--memory", size, parse_size(size)));
    if (const char* const count = options.get("--vcpus"))
        run.config.vcpus =
            static_cast<uint32_t>(TRY(named("--vcpus", count, parse_number(count, 0, UINT32_MAX))));
    for (const char* const text : options.all("--disk"))
        run.config.drives.push_back(TRY(parse_disk(text, run.config.drives.size())));
    for (const char* const text : options.all("--net"))
        run.config.nics.push_back(TRY(parse_net(text, run.config.nics.size())));
    for (const char* const text : options.all("--publish"))
        run.config.published.push_back(TRY(parse_publish(text)));
    run.config.command_line = command_line_of(options);
    run.image = TRY(parse_image(options));
    if (run.image.has_value()) run.config.stdio = StdioKind::kChannel;
    if (const char* const kind = options.get("--stdio")) run.config.stdio = TRY(parse_stdio(kind));
    if (const char* const duration = options.get("--timeout"))
        run.timeout_ms = TRY(named("--timeout", duration, parse_duration_ms(duration)));
    run.config.log_boot_time = options.has("--boot-timer");
    run.trace_path = options.get("--trace");
    run.filters.path = options.get("--seccomp-filter");
    if (options.has("--no-seccomp")) run.filters.seccomp = Seccomp::kNone;
    if (const char* const ids = options.get("--jail")) run.jail = TRY(parse_jail(ids));
    TRY(validate(run.filters));
    return run;
}
