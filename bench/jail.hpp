// `mayfly-bench jail`: what a jail adds to a start, and many jails at once. METHOD.md says how.
#pragma once

#include <span>

#include "base/result.hpp"

inline constexpr char kJailUsage[] =
    R"(usage: mayfly-bench jail [flags]      needs root

  --runs N             measured runs of each program (default 300)
  --warm-up N          uncounted runs of each before (default 20)
  --at-once N          jailed VMs that are started at once, afterwards (default 100)
)";

// Measures and prints the tables to stdout. Errors: a flag, a program that fails or says nothing,
// /dev/kvm missing, not root.
Result<> jail(std::span<const char* const> arguments);
