// What the process gives up before the guest's first instruction.
#pragma once

#include "base/result.hpp"

// No program that this process might come to execute gains a privilege (no_new_privs, prctl(2)).
// Main, before other threads start: they inherit it. Errors: as prctl(2).
Result<> enter_sandbox();
