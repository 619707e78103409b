// Time, from the time stamp counter.
#pragma once

#include <cstdint>

#include "rootfs/unikernel/text.hpp"

class Clock {
public:
    // Asks CPUID how fast the counter runs. CPUID leaves the guest, so not before the first line.
    Clock();

    // 0: CPUID does not tell.
    uint64_t khz() const { return khz_; }

    // Appends a number of ticks in microseconds, or as ticks when the frequency is unknown.
    void describe(uint64_t ticks, Text& text) const;

private:
    uint64_t khz_;
};
