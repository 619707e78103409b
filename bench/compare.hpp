// `mayfly-bench compare`: Mayfly and the other monitors that are here, with the same guests in the
// same run. METHOD.md says how.
#pragma once

#include <span>

#include "base/result.hpp"

inline constexpr char kCompareUsage[] =
    R"(usage: mayfly-bench compare [flags]

  --peer NAME=PATH     a peer: qemu, kvmtool, firecracker or cloud-hypervisor; repeatable (default:
                       those in PATH; one that is given here is taken from here)
  --guest NAME         stub, unikernel, kernel or debian; repeatable (default: all)
  --runs N             measured runs of each program with each guest (default 30, or
                       what three minutes suffice for)
  --warm-up N          uncounted runs of each before (default 3)
  --limit TIME         how long a program may take to its guest's first output (default 10s)
  --mayfly FILE        the monitor (default: mayfly beside this program)
  --floor FILE         the least that can be (default: mayfly-floor beside this program)
  --results FILE       also appends records to it
)";

// Measures and prints to stdout. Errors: a flag, /dev/kvm missing, a floor that fails, results that
// cannot be written, EINTR.
Result<> compare_monitors(std::span<const char* const> arguments);
