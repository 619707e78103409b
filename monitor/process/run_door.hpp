// `mayfly run`: boots one guest in the foreground, its serial line or its program on stdin and
// stdout. Main thread.
#pragma once

#include <span>

#include "monitor/metrics/timeline.hpp"

// `arguments` are those after the word `run`. Returns the process's exit status: the guest's, or
// one of kRunStatuses.
int run_door(std::span<const char* const> arguments, Timeline& timeline);
