// The clock that only goes on. Any thread.
#pragma once

#include <cstdint>
#include <ctime>

inline uint64_t monotonic_ns() {
    constexpr uint64_t kNanosecondsPerSecond = 1'000'000'000;
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * kNanosecondsPerSecond +
           static_cast<uint64_t>(now.tv_nsec);
}
