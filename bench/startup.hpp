// `mayfly-bench startup`: how long programs take from spawn to the first byte of their output, and
// to their end, beside the floor. METHOD.md says how.
#pragma once

#include <span>

#include "base/result.hpp"

inline constexpr char kStartupUsage[] =
    R"(usage: mayfly-bench startup [flags]

  --runs N             measured runs of each program (default 300)
  --warm-up N          uncounted runs of each before (default 20)
  --mayfly FILE        the monitor (default: mayfly beside this program)
  --floor FILE         the least that can be (default: mayfly-floor beside this program)
  --devices            also a guest with a drive and a NIC; makes a TAP, so it needs root
  --stages             also Mayfly with a trace, and what each stage of its start takes
  --results FILE       also appends records to it, stages among them
  --command NAME=CMD   one more program: its path and words, parted by blanks; repeatable
)";

// Measures and prints the table to stdout. Errors: a flag, a program that fails or says nothing,
// /dev/kvm missing, results that cannot be written, EINTR.
Result<> startup(std::span<const char* const> arguments);
