// What the handler of SIGSYS says.
#pragma once

#include <csignal>

// Logs which system call of which thread was forbidden. Safe in a signal handler. Any thread.
void log_forbidden_call(const siginfo_t& info);

// The name of system call `number` of x86_64, or "?".
const char* system_call_name(int number);
