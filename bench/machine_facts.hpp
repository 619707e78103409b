// The machine and kernel that a measurement ran on: what a reader needs to judge its figures. Any
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

struct MachineFacts {
    std::string kernel;       // uname -r
    std::string cpu;          // its model name
    uint64_t cpus = 0;        // that this process may run on
    uint64_t memory_kib = 0;  // MemTotal
    std::string kvm;  // the module behind /dev/kvm: kvm_intel, kvm_amd, kvm_pvm; "" if unknown
    bool is_virtual = false;  // itself a guest
    double load = 0;          // of the last minute, before the measurement

    // What cannot be found out stays empty: a measurement does not fail for it.
    static MachineFacts read();
};

// The value of the first line "NAME : value" of a /proc file's text, "" where there is none.
std::string_view proc_value(std::string_view text, std::string_view name);

// The kilobytes of a line "NAME : N kB", as /proc/meminfo and smaps have them; 0 where there is
// none.
uint64_t proc_kib(std::string_view text, std::string_view name);

// The pages of all zones of /proc/zoneinfo that are free, but kept by a processor for its next
// request. No figure of /proc/meminfo has them, and after many processes have ended they are
// hundreds of megabytes.
uint64_t pages_kept_by_cpus(std::string_view zoneinfo);

// What could be given to programs now: MemAvailable and the pages above.
uint64_t available_kib();

// The whole of a small file of /proc or /sys; "" where it cannot be read.
std::string proc_text(const char* path);
