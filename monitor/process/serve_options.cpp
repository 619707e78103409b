#include "monitor/process/serve_options.hpp"

#include <climits>

#include "base/options.hpp"
#include "monitor/api/logger.hpp"
#include "monitor/process/tenancy.hpp"

namespace {

// Firecracker's, as its jailer's: what a folder and a cgroup can be called.
constexpr size_t kLongestId = 64;

Result<std::optional<uint64_t>> parse_optional(const Options& options, const char* flag,
                                               uint64_t most) {
    const char* const text = options.get(flag);
    if (text == nullptr) return std::optional<uint64_t>{};
    return std::optional(TRY(named(flag, text, parse_number(text, 0, most))));
}

Result<std::optional<int>> parse_fd(const Options& options, const char* flag) {
    const auto number = TRY(parse_optional(options, flag, INT_MAX));
    if (!number.has_value()) return std::optional<int>{};
    return std::optional(static_cast<int>(*number));
}

Result<std::string> parse_id(const char* text) {
    const std::string_view id = text;
    constexpr std::string_view kAllowed =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    if (id.empty() || id.size() > kLongestId || id.find_first_not_of(kAllowed) != id.npos)
        return Error{"--id", 0, "takes 1 to 64 letters, digits and hyphens"}.about(text);
    return std::string(id);
}

Result<std::optional<LoggerConfig>> parse_logger_flags(const Options& options) {
    LoggerConfig logger;
    if (const char* const path = options.get("--log-path")) logger.path = path;
    if (const char* const level = options.get("--level")) {
        logger.level = find_word(level, kLevels);
        if (!logger.level.has_value()) return Error{"--level", 0, kLevels.choice}.about(level);
    }
    if (options.has("--show-level")) logger.shows_level = true;
    if (options.has("--show-log-origin")) logger.shows_origin = true;
    if (const char* const module = options.get("--module")) logger.module = module;
    for (const char* const flag :
         {"--log-path", "--level", "--show-level", "--show-log-origin", "--module"})
        if (options.has(flag)) return std::optional(logger);
    return std::optional<LoggerConfig>{};
}

Result<> parse_api(const Options& options, ServeOptions& serve) {
    serve.api_path = options.get("--api-sock");
    serve.api_fd = TRY(parse_fd(options, "--api-fd"));
    const auto payload = TRY(parse_optional(options, "--http-api-max-payload-size", 1U << 30));
    if (payload.has_value()) serve.max_payload_bytes = *payload;
    if (options.has("--no-api")) {
        if (serve.has_api()) return Error{"--no-api", 0, "excludes --api-sock and --api-fd"};
        if (!options.has("--config-file")) return Error{"--no-api", 0, "needs a --config-file"};
        if (options.has("--hold"))
            return Error{"--hold", 0, "waits for a client, which --no-api excludes"};
        return Ok{};
    }
    if (serve.api_path != nullptr && serve.api_fd.has_value())
        return Error{"--api-fd", 0, "and --api-sock exclude each other"};
    if (!serve.has_api()) serve.api_path = ServeOptions::kDefaultSocket;
    return Ok{};
}

}  // namespace

Result<ServeOptions> ServeOptions::parse(std::span<const char* const> arguments) {
    ServeOptions serve;
    serve.asked = asked_by_word(arguments);
    if (serve.asked != Asked::kNothing) return serve;
    const Options options = TRY(Options::parse(all_flags(), arguments, kServeDoor));
    serve.asked = asked_by_flag(options);
    if (serve.asked != Asked::kNothing) return serve;
    if (!options.rest().empty())
        return Error{"is behind --, and no flag; see mayfly --help"}.about(options.rest().front());
    TRY(parse_api(options, serve));
    serve.config_path = options.get("--config-file");
    if (options.has("--hold") && serve.config_path == nullptr)
        return Error{"--hold", 0, "needs a --config-file; without one a client starts the VM"};
    if (serve.config_path != nullptr && !options.has("--hold"))
        serve.start = StartWhen::kConfigured;
    if (const char* const id = options.get("--id")) serve.id = TRY(parse_id(id));
    serve.ready_fd = TRY(parse_fd(options, "--ready-fd"));
    serve.logger = TRY(parse_logger_flags(options));
    if (const char* const path = options.get("--metrics-path")) serve.metrics_path = path;
    serve.log_boot_time = options.has("--boot-timer");
    serve.accepts_absent = options.has("--accept-absent");
    serve.filters.path = options.get("--seccomp-filter");
    if (options.has("--no-seccomp")) serve.filters.seccomp = Seccomp::kNone;
    TRY(validate(serve.filters));
    if (const char* const ids = options.get("--jail")) serve.jail = TRY(parse_jail(ids));
    serve.tenancy = TRY(parse_tenancy(options, serve.jail));
    serve.trace_path = options.get("--trace");
    serve.start_times.start_time_us = TRY(parse_optional(options, "--start-time-us", UINT64_MAX));
    serve.start_times.start_time_cpu_us =
        TRY(parse_optional(options, "--start-time-cpu-us", UINT64_MAX));
    serve.start_times.parent_cpu_time_us =
        TRY(parse_optional(options, "--parent-cpu-time-us", UINT64_MAX));
    return serve;
}
