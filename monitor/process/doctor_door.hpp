// `mayfly doctor`: the door by which nothing runs: it says what this host lacks. Main thread.
#pragma once

#include <span>

// Without a VM, nothing that is left behind. Returns the process's exit status: 0 if every VM has
// what it needs, 1 if not (with --strict: if anything is to be said), 125 for what failed besides.
int doctor_door(std::span<const char* const> arguments);
