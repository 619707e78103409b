// `mayfly-bench memory`: what a monitor keeps for itself beside its guest's RAM. METHOD.md says
// how.
#pragma once

#include <span>

#include "base/result.hpp"

inline constexpr char kMemoryUsage[] =
    R"(usage: mayfly-bench memory [flags]

  --memory SIZE   RAM of the guest, as in 256M (default 128M)
  --mayfly FILE   the monitor (default: mayfly beside this program)
  --command CMD   measure this instead: a path and words, parted by blanks. It prints a line when its
                  guest of that RAM is up, and goes on running
  --verbose       also what each mapping keeps
)";

// Measures and prints to stdout. Errors: a flag, a program that fails or says nothing, a process
// without a mapping of the guest's size, /dev/kvm missing.
Result<> memory(std::span<const char* const> arguments);
