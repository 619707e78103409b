// The command line of Firecracker's mode: its flags, and a few of our own. Main thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/result.hpp"
#include "monitor/machine/host.hpp"
#include "monitor/metrics/logger_config.hpp"
#include "monitor/metrics/startup_time.hpp"
#include "monitor/process/filter_choice.hpp"
#include "monitor/process/flags.hpp"
#include "monitor/process/jail_option.hpp"

enum class StartWhen : uint8_t {
    kConfigured,  // as soon as there is a configuration
    kAsked,       // by a client
};

// Strings are argv's.
struct ServeOptions {
    static constexpr const char* kDefaultSocket = "/run/firecracker.socket";
    static constexpr size_t kDefaultPayloadBytes = 51200;

    // One of these two, or neither: then there is no API.
    const char* api_path = nullptr;
    std::optional<int> api_fd{};

    size_t max_payload_bytes = kDefaultPayloadBytes;
    const char* config_path = nullptr;  // nullptr: configured by the API
    StartWhen start = StartWhen::kAsked;
    std::string id = "anonymous-instance";
    std::optional<int> ready_fd{};
    std::optional<LoggerConfig> logger{};
    std::optional<std::string> metrics_path{};
    bool log_boot_time = false;
    bool accepts_absent = false;
    FilterChoice filters{};
    std::optional<Jail> jail{};
    Tenancy tenancy{};
    const char* trace_path = nullptr;
    StartTimes start_times{};
    Asked asked = Asked::kNothing;  // something else: the rest was not looked at

    bool has_api() const { return api_path != nullptr || api_fd.has_value(); }

    // Errors name the flag or value at fault, and the remedy.
    static Result<ServeOptions> parse(std::span<const char* const> arguments);
};
