// `mayfly-bench channel`: how fast a guest's output comes through the channel. METHOD.md says how.
#pragma once

#include <span>

#include "base/result.hpp"

inline constexpr char kChannelUsage[] =
    R"(usage: mayfly-bench channel [flags]

  --megabytes N        what is sent each time (default 256)
  --rounds N           how often it is measured (default 5)
  --mayfly PATH        the monitor (default: the one beside this program)
)";

// Measures and prints the table to stdout. Errors: a flag, a program that fails or says nothing,
// /dev/kvm missing.
Result<> channel(std::span<const char* const> arguments);
