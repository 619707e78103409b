// `mayfly run`: boots one guest in the foreground, its serial line on stdin and stdout.
#pragma once

#include <span>

#include "monitor/metrics/timeline.hpp"

// `arguments` are those after the word `run`. Returns the process's exit status: what the guest
// reported, 125 where the monitor failed, 126 where the guest crashed, 128 + n for signal n.
int run_command(std::span<const char* const> arguments, Timeline& timeline);
