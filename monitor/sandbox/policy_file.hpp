// A policy of the user's, for `--seccomp-filter`. Before the machine.
#pragma once

#include <cstddef>
#include <vector>

#include "base/result.hpp"

// The compiled form of the policy at `path`: the file itself where it is compiled, else what the
// mayfly-policy beside this program makes of it. Errors: those of the file; a mayfly-policy that
// cannot be run, or that refuses the policy (it has said why on stderr).
Result<std::vector<std::byte>> read_compiled_policy(const char* path);
