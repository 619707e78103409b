// What a VM's end says to its user, in lines of the log. Main thread.
#pragma once

#include <cstdint>

#include "monitor/console/stdio.hpp"
#include "monitor/machine/ending.hpp"
#include "monitor/machine/shape.hpp"

// `timeout_ms`: the one that was given, if any.
void report_ending(const Ending& ending, StdioKind kind, uint64_t timeout_ms, const Stdio& stdio);

// A guest that is there for a program and ended without that program's status has failed.
bool is_without_status(const Ending& ending, StdioKind kind);
