// Time, from the time stamp counter.
#pragma once

#include <cstdint>

#include "rootfs/unikernel/text.hpp"

class Clock {
public:
    // `khz`: how fast the counter runs; 0 where nobody told.
    explicit Clock(uint64_t khz) : khz_(khz) {}

    uint64_t khz() const { return khz_; }

    // Appends a number of ticks in microseconds, or as ticks when the frequency is unknown.
    void describe(uint64_t ticks, Text& text) const;

private:
    uint64_t khz_;
};
