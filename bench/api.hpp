// `mayfly-bench api`: what it costs to be told by an API what to run. METHOD.md says how.
#pragma once

#include <span>

#include "base/result.hpp"

inline constexpr char kApiUsage[] =
    R"(usage: mayfly-bench api [flags]

  --runs N             measured runs of each program (default 300)
  --warm-up N          uncounted runs of each before (default 20)
  --requests N         requests of each kind on one kept connection (default 500)
  --mayfly FILE        the monitor (default: mayfly beside this program)
  --floor FILE         the least that can be (default: mayfly-floor beside this program)
  --kernel FILE        the guest (default: the unikernel of the same build)

As root the guest has a drive and a NIC, on a TAP made for it; else a drive alone.
)";

// Measures and prints the tables to stdout. Errors: a flag, a program that fails or says nothing, a
// request that is refused, /dev/kvm missing.
Result<> api(std::span<const char* const> arguments);
