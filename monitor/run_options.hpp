// The command line of `mayfly run`, as a Config and what concerns the process. Main thread.
#pragma once

#include <span>

#include "base/result.hpp"
#include "monitor/config.hpp"

enum class HelpWanted { kNo, kYes };
enum class Seccomp { kFilters, kNone };

struct RunOptions {
    Config config;
    const char* trace_path = nullptr;   // nullptr: no trace
    const char* filter_path = nullptr;  // nullptr: the filters in the binary
    Seccomp seccomp = Seccomp::kFilters;
    HelpWanted help = HelpWanted::kNo;

    // Errors name the flag or value at fault, and the remedy.
    static Result<RunOptions> parse(std::span<const char* const> arguments);
};
