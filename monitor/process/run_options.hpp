// The command line of `mayfly run`, as a Config and what concerns the process. Main thread.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "base/result.hpp"
#include "monitor/image/image_run.hpp"
#include "monitor/machine/config.hpp"
#include "monitor/process/filter_choice.hpp"
#include "monitor/process/flags.hpp"
#include "monitor/process/jail_option.hpp"

// The snapshot that is to go on.
struct RestoreOptions {
    std::string state_path;
    std::string memory_path;
};

struct RunOptions {
    Config config;
    std::optional<RestoreOptions> restore{};  // none: the guest boots
    const char* trace_path = nullptr;         // nullptr: no trace
    std::optional<Jail> jail{};               // none: no jail
    FilterChoice filters{};
    std::optional<ImageRun> image{};       // none: the guest is all that `config` says
    std::optional<uint64_t> timeout_ms{};  // none: the guest may take its time
    Asked asked = Asked::kNothing;         // something else: the rest was not looked at

    // Errors name the flag or value at fault, and the remedy.
    static Result<RunOptions> parse(std::span<const char* const> arguments);
};
