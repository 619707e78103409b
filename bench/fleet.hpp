// Many VMs alive at once, each a process of its own, and what they cost together. One thread.
#pragma once

#include <cstddef>
#include <vector>

#include "base/result.hpp"
#include "bench/program.hpp"

class Fleet {
public:
    Fleet() = default;
    Fleet(const Fleet&) = delete;
    Fleet& operator=(const Fleet&) = delete;
    // Ends them all, at once: the kernel takes some milliseconds for each, which so pass together.
    ~Fleet();

    // One more, which has printed when this returns. Errors: as Process::start() and
    // Process::first_output_us().
    Result<> add(const Program& program);

    size_t size() const { return vms_.size(); }

    // Private memory of all of them, as /proc/PID/smaps_rollup tells it. Errors: one is gone.
    Result<uint64_t> private_kib() const;

private:
    std::vector<Process> vms_;
};

// Lets this process have a descriptor for each of `count` VMs, as far as the limits allow.
// Errors: EMFILE where they do not, as getrlimit(2).
Result<> allow_descriptors(size_t count);
