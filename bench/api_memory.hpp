// What the API adds to a monitor's private memory. METHOD.md, "mayfly-bench api". One thread.
#pragma once

#include <string>

#include "base/result.hpp"

// Two VMs by `mayfly run` and two by the API, all with `kernel` spinning; a line for the first of
// each, and one for the difference. Errors: a program that fails, a request that is refused.
Result<> print_api_memory(const std::string& mayfly, const std::string& kernel,
                          const std::string& socket_path);
