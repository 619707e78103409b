// The end of the process that nothing holds up, neither a thread that does not come back from the
// kernel nor a reader that stands still: by signals, whose handler restores the terminal and ends
// the process. Main.
#pragma once

#include <cstdint>

#include "monitor/machine/signals.hpp"

// Whether SIGINT, SIGTERM and SIGQUIT, when they end the process, do so by their default.
enum class Defaults : uint8_t { kReplaced, kKept };

// Before any thread's filter.
void prepare_last_call(const Signals& signals, Defaults defaults);

// From now on SIGINT, SIGTERM, SIGHUP and SIGQUIT, where they are heeded, end the process at once,
// with `status`. One that waits already does.
void let_signals_end_process(const Signals& signals, int status);

// kLastCallSeconds after `from_ns` (monotonic; UINT64_MAX: never) the process ends with `status`,
// if it still is there.
void limit_end_of_process(int status, uint64_t from_ns);

// Longer than all that is waited for on the way to the end: disks, stdout, the log.
inline constexpr uint64_t kLastCallSeconds = 10;
