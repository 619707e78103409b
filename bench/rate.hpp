// How many VMs a machine starts in a second. METHOD.md, "mayfly-bench rate". Main thread.
#pragma once

#include <span>

#include "base/result.hpp"

inline constexpr char kRateUsage[] =
    R"(usage: mayfly-bench rate [flags]

  --most N        up to N VMs between spawn and first output at once: 1, 2, 4, ... (default 64)
  --starts N      starts in each round (default 400)
  --rounds N      rounds of each program (default 5)
  --mayfly FILE   the monitor (default: mayfly beside this program)
  --floor FILE    the reference (default: mayfly-floor beside this program)
  --results FILE  appends what is measured
)";

// Errors: a bad flag, no /dev/kvm, a VM that does not come up or fails.
Result<> rate(std::span<const char* const> arguments);
