// What the process gives up before the guest's first instruction, beside system calls
// (filters.hpp).
#pragma once

#include "base/result.hpp"

// On glibc one heap for all threads, which hardly use it, and brk(2) as its only source: a heap for
// each thread costs every start four system calls on the memory map that the guest's first page
// faults need, and the filters of a monitor on glibc know of brk alone. musl has one heap, and its
// filters what that asks for. Before other threads start.
void settle_heap();

// The process, whichever thread says so, leaves no core dump, and only root may trace it. (Guest
// RAM and stacks would be in none either: leave_out_of_dumps().) After a user namespace is mapped,
// which who is not root does by its own files in /proc. Errors: as setrlimit(2) and prctl(2).
Result<> leave_no_core();

// No program that this process might come to execute gains a privilege (no_new_privs, prctl(2)),
// and no file can be opened any more, where the kernel has Landlock. Main, before other threads
// start: they inherit it. Errors: as prctl(2) and landlock_restrict_self(2).
Result<> enter_sandbox();

// The same for the API's thread, which opens files that clients name. It alone is concerned.
Result<> enter_api_sandbox();
