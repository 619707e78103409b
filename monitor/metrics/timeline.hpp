// When each stage of a start ended, counted from the process's own start.
//
// Owned by main. Any thread marks; each stage keeps its first mark. A stage begins where the one
// before it on the same thread has ended. Without --trace the whole cost is one clock read a stage.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

// The file that --trace names, empty. Errors: as open(2), about `path`.
Result<UniqueFd> open_trace(const char* path);

enum class Stage : uint8_t {
    kExec,         // the kernel's exec and the program's own start-up, up to main()
    kThread,       // a thread beside main has begun: to make the VM, or the boot vCPU's at the end
    kOptions,      // command line read and checked, images opened
    kKvm,          // /dev/kvm open, VM created
    kMemory,       // RAM registered, interrupt controller
    kVcpu,         // boot vCPU created
    kDevices,      // serial line, control ports, disks and NICs
    kLoad,         // kernel and initrd in place
    kTables,       // boot parameters, page tables, ACPI
    kSandbox,      // privileges given up
    kWait,         // the boot vCPU's thread has been given what it is to run
    kCpu,          // registers set, filter installed: vCPUs run
    kFirstExit,    // the guest's first VM exit to the monitor
    kFirstOutput,  // the first byte of the serial line was handed to stdout
    kBootSignal,   // the guest said that it is up
    kExit,         // the guest ended
    kCount,
};

class Timeline {
public:
    // Takes the process's start from its CPU clock: a process that has just been started has
    // hardly waited, and /proc/self/stat is only good to 10 ms.
    Timeline();

    // The stage ends now, unless it has ended before.
    void mark(Stage stage);

    // Nanoseconds from the process's start to the end of `stage`; 0 where it has not ended.
    uint64_t ended_ns(Stage stage) const {
        return ended_ns_[static_cast<size_t>(stage)].load(std::memory_order_relaxed);
    }

    // Writes all stages to `fd` in the Chrome trace event format, an event a line.
    // Errors: as write(2).
    Result<> write_trace(int fd) const;

private:
    uint64_t process_start_ns_;  // CLOCK_MONOTONIC
    std::array<std::atomic<uint64_t>, static_cast<size_t>(Stage::kCount)> ended_ns_{};
    std::array<std::atomic<bool>, static_cast<size_t>(Stage::kCount)> was_on_main_{};
};
