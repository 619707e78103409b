#include "monitor/sandbox/forbidden_call.hpp"

#include <linux/audit.h>

#include <cstring>

#include "base/log.hpp"
#include "base/thread.hpp"

// One after another by number, each ended by a zero byte: embedded_filters.S.
// NOLINTBEGIN(readability-identifier-naming): an assembly file's names
extern "C" const char system_call_names_begin[];
extern "C" const char system_call_names_end[];
// NOLINTEND(readability-identifier-naming)

const char* system_call_name(int number) {
    const char* name = system_call_names_begin;
    for (int i = 0; i < number && name < system_call_names_end; ++i) name += std::strlen(name) + 1;
    return number >= 0 && name < system_call_names_end && *name != '\0' ? name : "?";
}

void log_forbidden_call(const siginfo_t& info) {
    LOG_ERROR(
        "system call %d (%s) is forbidden on thread %s: this is a fault of the monitor, or an "
        "attack on it",
        info.si_syscall, system_call_name(info.si_syscall), Thread::current_name());
}
