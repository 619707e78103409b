// `mayfly-bench block`: random reads by a guest from its disk beside those of a plain io_uring
// program from the same file. METHOD.md says how.
#pragma once

#include <span>

#include "base/result.hpp"

inline constexpr char kBlockUsage[] =
    R"(usage: mayfly-bench block [flags]

  --depth N       reads in flight, 1 to 128 (default: 1, and then 32)
  --reads N       reads of 4 KiB in each run (default 50000 for each in flight, at most 400000)
  --rounds N      runs of each program (default 5)
  --file FILE     the disk, which is only read (default: a file of 1 GiB in TMPDIR or /var/tmp, made
                  for it)
  --mayfly FILE   the monitor (default: mayfly beside this program)
  --results FILE  appends what is measured
)";

// Measures and prints the table to stdout. Errors: a flag, a file that cannot be made or read, a
// guest that fails, /dev/kvm missing, EINTR.
Result<> block(std::span<const char* const> arguments);
