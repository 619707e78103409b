// The command line of `mayfly run`, as a Config and what concerns the process. Main thread.
#pragma once

#include <optional>
#include <span>

#include "base/result.hpp"
#include "jailer/namespaces.hpp"
#include "monitor/config.hpp"
#include "monitor/image/image_run.hpp"

enum class HelpWanted { kNo, kYes };
enum class Seccomp { kFilters, kNone };

// `--jail[=UID:GID]`.
struct Jail {
    std::optional<JailIds> ids{};
};

struct RunOptions {
    Config config;
    const char* trace_path = nullptr;      // nullptr: no trace
    std::optional<Jail> jail{};            // none: no jail
    const char* filter_path = nullptr;     // nullptr: the filters in the binary
    std::optional<ImageRun> image{};       // none: the guest is all that `config` says
    std::optional<uint64_t> timeout_ms{};  // none: the guest may take its time
    Seccomp seccomp = Seccomp::kFilters;
    HelpWanted help = HelpWanted::kNo;

    // Errors name the flag or value at fault, and the remedy.
    static Result<RunOptions> parse(std::span<const char* const> arguments);
};
