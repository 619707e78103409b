// The clock that only goes on. Any thread.
#pragma once

#include <algorithm>
#include <climits>
#include <cstdint>
#include <ctime>

inline uint64_t monotonic_ns() {
    constexpr uint64_t kNanosecondsPerSecond = 1'000'000'000;
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * kNanosecondsPerSecond +
           static_cast<uint64_t>(now.tv_nsec);
}

// For poll(2): -1 where `end_ns` is UINT64_MAX, which never comes; else rounded up, so that it is
// never early.
inline int milliseconds_until(uint64_t end_ns) {
    constexpr uint64_t kNanosecondsPerMillisecond = 1'000'000;
    if (end_ns == UINT64_MAX) return -1;
    const uint64_t now = monotonic_ns();
    if (end_ns <= now) return 0;
    const uint64_t left_ms = (end_ns - now - 1) / kNanosecondsPerMillisecond + 1;
    return static_cast<int>(std::min<uint64_t>(left_ms, INT_MAX));
}
