#include "rootfs/unikernel/clock.hpp"

void Clock::describe(uint64_t ticks, Text& text) const {
    if (khz_ == 0) {
        text.add(ticks).add(" ticks");
    } else {
        // Whole milliseconds first: ticks * 1000 overflows on a machine that is up for a month.
        text.add(ticks / khz_ * 1000 + ticks % khz_ * 1000 / khz_).add(" us");
    }
}
