// Signals that the monitor cannot continue from, and the one that it can: SIGBUS in guest RAM.
//
// Guest RAM may be mapped from a file (the kernel's, copy-on-write). Where that file is cut short
// meanwhile, touching a lost page raises SIGBUS. The guard puts an empty page there, so that the
// thread goes on, and tells main, which ends the VM. Any other fatal signal restores the terminal
// first and then takes its course. SIGSYS says that a thread made a system call which its filter
// forbids: that ends the process with kStatusForbiddenCall and a line.
//
// Signal handlers have no owner to ask, so this file holds the program's only global state. At most
// one guard exists, owned by main, and it outlives all threads.
#pragma once

#include <span>

#include "base/event_fd.hpp"
#include "base/result.hpp"
#include "monitor/console/terminal.hpp"
#include "virtio/guest_memory.hpp"

// The statuses with which a signal ends the process, whoever waits for it: a system call that its
// filter forbids; and 128 with the signal's number, as shells have it.
inline constexpr int kStatusForbiddenCall = 148;
inline constexpr int kStatusSignalBase = 128;

// A system call that its filter forbids ends the process with kStatusForbiddenCall and a line. A
// guard does that too; this is for threads that have filters before there is guest RAM.
void report_forbidden_calls();

// Ends the process, with the terminal restored if there is a guard. For handlers of signals.
[[noreturn]] void exit_from_handler(int status);

class FaultGuard {
public:
    // All arguments outlive the guard; at most GuestMemory::kMaxRegions regions.
    FaultGuard(std::span<const GuestMemory::Region> regions, const EventFd& memory_lost,
               const Terminal& terminal);
    FaultGuard(const FaultGuard&) = delete;
    FaultGuard& operator=(const FaultGuard&) = delete;
    ~FaultGuard();
};
