// `mayfly` without a subcommand: Firecracker's mode. Main thread.
#pragma once

#include <span>

#include "monitor/metrics/timeline.hpp"

// Configures a VM by a file or by the API, runs it to its end, and returns the process's exit
// status.
int vmm_command(std::span<const char* const> arguments, Timeline& timeline);
