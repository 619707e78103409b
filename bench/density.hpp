// What many idle VMs cost together. METHOD.md, "mayfly-bench density". Main thread.
#pragma once

#include <span>

#include "base/result.hpp"

inline constexpr char kDensityUsage[] =
    R"(usage: mayfly-bench density [flags]

  --vms N         idle VMs of each kind, the floor's and Mayfly's (default 2000)
  --memory SIZE   RAM of Mayfly's guests (default 128M; the floor's is always 128M)
  --reserve SIZE  no more VMs once less memory is available to others (default 1G)
  --mayfly FILE   the monitor (default: mayfly beside this program)
  --floor FILE    the reference (default: mayfly-floor beside this program)
  --stub FILE     the guest (default: lib/mayfly/stub.elf, where bin/ is beside lib/)
  --results FILE  appends what is measured
)";

// Errors: a bad flag, no /dev/kvm, a VM that does not come up.
Result<> density(std::span<const char* const> arguments);
