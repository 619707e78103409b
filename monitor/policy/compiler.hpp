// Policies to filters, by libseccomp.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "monitor/policy/policy.hpp"

// The filters of `roles`, in the form of filter_file.hpp. A call that a role does not allow raises
// SIGSYS; a call of another architecture kills the process. Of a role's rules, the first are found
// soonest. Errors: libseccomp's.
Result<std::string> compile(std::span<const RolePolicy> roles);

// The names of the system calls of x86_64 by their numbers, each ended by a zero byte; an empty one
// where a number is nobody's.
std::string system_call_names();
