// How long the process took until it was of use, from the times that its parent, such as a jailer,
// has passed to it. Main thread, before its filter: no vDSO knows a process's CPU time.
#pragma once

#include <cstdint>
#include <optional>

#include "monitor/metrics/groups.hpp"

// As Firecracker's flags of these names; in microseconds.
struct StartTimes {
    std::optional<uint64_t> start_time_us;       // CLOCK_MONOTONIC, when the parent began
    std::optional<uint64_t> start_time_cpu_us;   // the process's CPU time, when it was executed
    std::optional<uint64_t> parent_cpu_time_us;  // CPU time that the parent took for it
};

// Up to now.
void report_startup(const StartTimes& times, ApiServerMetrics& metrics);
