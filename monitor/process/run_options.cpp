#include "monitor/process/run_options.hpp"

#include "base/options.hpp"
#include "monitor/boot/command_line.hpp"
#include "monitor/machine/device_options.hpp"
#include "monitor/process/tenancy.hpp"

namespace {

Result<std::string> command_line_of(const Options& options) {
    std::string line;
    if (const char* const given = options.get("--cmdline"))
        line = given;
    else if (options.has("--kernel") && !options.has("--image"))
        line = kUsersKernelLine;
    if (options.has("--image")) return line;
    return with_init_arguments(std::move(line), options.rest());
}

// None without --image; then no flag that concerns it may be there.
Result<std::optional<ImageRun>> parse_image(const Options& options) {
    const char* const path = options.get("--image");
    if (path == nullptr) {
        for (const char* const flag :
             {"--rw", "--env", "--env-file", "--workdir", "--user", "--hostname", "-t"})
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
    for (const char* const file : options.all("--env-file"))
        run.environment_files.emplace_back(file);
    return std::optional(std::move(run));
}

Result<StdioKind> parse_stdio(const char* text) {
    const std::string_view kind = text;
    if (kind == "serial") return StdioKind::kSerial;
    if (kind == "channel") return StdioKind::kChannel;
    return Error{"--stdio", 0, "is neither serial nor channel"}.about(text);
}

// None without --restore; with it the guest is what it was.
Result<std::optional<RestoreOptions>> parse_restore(const Options& options) {
    const char* const path = options.get("--restore");
    const char* const memory = options.get("--memory-file");
    if (path == nullptr) {
        if (memory != nullptr) return Error{"--memory-file", 0, "needs a --restore"};
        return std::optional<RestoreOptions>{};
    }
    for (const char* const flag :
         {"--kernel", "--initrd", "--cmdline", "--memory", "--huge-pages", "--vcpus", "--nested",
          "--pmu", "--cpu-template", "--stdio", "--image", "--publish"})
        if (options.has(flag))
            return Error{flag, 0, "is for a guest that boots; with --restore leave it out"};
    if (!options.rest().empty())
        return Error{"--", 0, "gives words to a guest that boots; with --restore leave it out"};
    return std::optional(
        RestoreOptions{.state_path = path,
                       .memory_path = memory != nullptr ? memory : path + std::string(".mem")});
}

Result<CpuTemplate> parse_cpu_template(const char* text) {
    if (std::string_view(text) == "T2") return CpuTemplate::kT2;
    return Error{"--cpu-template", 0, "is not T2, the one there is"}.about(text);
}

}  // namespace

Result<RunOptions> RunOptions::parse(std::span<const char* const> arguments) {
    RunOptions run;
    run.asked = asked_by_word(arguments);
    if (run.asked != Asked::kNothing) return run;
    const Options options = TRY(Options::parse(all_flags(), arguments, kRunDoor));
    run.asked = asked_by_flag(options);
    if (run.asked != Asked::kNothing) return run;
    if (const char* const path = options.get("--kernel")) run.config.boot.kernel_path = path;
    if (const char* const path = options.get("--initrd")) run.config.boot.initrd_path = path;
    for (const char* const flag :
         {"--kernel", "--initrd", "--restore", "--memory-file", "--trace", "--seccomp-filter"}) {
        const char* const path = options.get(flag);
        if (path != nullptr && *path == '\0') return Error{flag, 0, "needs a file's name"};
    }
    if (const char* const size = options.get("--memory"))
        run.config.shape.memory_bytes = TRY(named("--memory", size, parse_size(size)));
    if (const char* const count = options.get("--vcpus"))
        run.config.shape.vcpus =
            static_cast<uint32_t>(TRY(named("--vcpus", count, parse_number(count, 0, UINT32_MAX))));
    run.config.shape.extras = {.nested = options.has("--nested"), .pmu = options.has("--pmu")};
    if (const char* const name = options.get("--cpu-template"))
        run.config.shape.cpu_template = TRY(parse_cpu_template(name));
    if (options.has("--huge-pages")) run.config.host.ram_pages = RamPages::kHuge;
    for (const char* const text : options.all("--disk"))
        run.config.add(TRY(parse_disk(text, run.config.shape.drives.size())));
    for (const char* const text : options.all("--net"))
        run.config.add(TRY(parse_net(text, run.config.shape.nics.size())));
    for (const char* const text : options.all("--publish"))
        run.config.host.published.push_back(TRY(parse_publish(text)));
    run.config.shape.command_line = TRY(command_line_of(options));
    run.restore = TRY(parse_restore(options));
    run.image = TRY(parse_image(options));
    if (run.image.has_value()) run.config.shape.stdio = StdioKind::kChannel;
    if (const char* const kind = options.get("--stdio"))
        run.config.shape.stdio = TRY(parse_stdio(kind));
    if (const char* const duration = options.get("--timeout"))
        run.timeout_ms = TRY(named("--timeout", duration, parse_duration_ms(duration)));
    run.config.host.log_boot_time = options.has("--boot-timer");
    run.trace_path = options.get("--trace");
    run.filters.path = options.get("--seccomp-filter");
    if (options.has("--no-seccomp")) run.filters.seccomp = Seccomp::kNone;
    if (const char* const ids = options.get("--jail")) run.jail = TRY(parse_jail(ids));
    run.config.host.tenancy = TRY(parse_tenancy(options, run.jail));
    TRY(validate(run.filters));
    return run;
}
