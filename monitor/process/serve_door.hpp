// `mayfly` with Firecracker's flags: configures a VM by a file or by the API, and runs it to its
// end. Main thread.
#pragma once

#include <span>

#include "base/called_as.hpp"
#include "monitor/metrics/timeline.hpp"

// `arguments`: all flags. Returns the process's exit status: the guest's, or one of kServeStatuses.
int serve_door(std::span<const char* const> arguments, Timeline& timeline,
               CalledAs called = CalledAs::kItself);
