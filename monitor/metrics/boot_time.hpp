// When something was, on the clock and in the process's CPU time. Any thread.
#pragma once

#include <cstdint>
#include <ctime>

struct BootTime {
    uint64_t us = 0;      // monotonic
    uint64_t cpu_us = 0;  // of all threads of the process

    static BootTime now() {
        return {.us = on(CLOCK_MONOTONIC), .cpu_us = on(CLOCK_PROCESS_CPUTIME_ID)};
    }

private:
    static uint64_t on(clockid_t clock) {
        timespec time{};
        ::clock_gettime(clock, &time);
        return static_cast<uint64_t>(time.tv_sec) * 1'000'000 +
               static_cast<uint64_t>(time.tv_nsec) / 1000;
    }
};
