// `mayfly-bench net`: frames that a guest sends into a TAP beside those of a plain io_uring
// program. METHOD.md says how.
#pragma once

#include <span>

#include "base/result.hpp"

inline constexpr char kNetUsage[] =
    R"(usage: mayfly-bench net [flags]        (as root: it makes TAPs of its own)

  --frames N      frames in each run (default 500000)
  --batch N       frames in flight, 1 to 128 (default 32)
  --rounds N      runs of each program (default 5)
  --mayfly FILE   the monitor (default: mayfly beside this program)
  --results FILE  appends what is measured
)";

// Measures and prints the table to stdout. Errors: a flag, no right to make a TAP, a guest that
// fails, /dev/kvm missing, EINTR.
Result<> net(std::span<const char* const> arguments);
