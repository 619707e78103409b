// How fast the embedded guest did what it was told, by its own clock. One thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "bench/program.hpp"

// What the guest says of a payload: "WORD: COUNT ... in TIME us", or ticks of the time stamp
// counter where the guest does not know its frequency; and ", N failed" if some did.
struct GuestTime {
    enum class Unit { kMicroseconds, kTicks };

    uint64_t count;
    uint64_t time;
    Unit unit;
    uint64_t failed;
};

// The line of `word` in a guest's output. Errors: EPROTO, there is none or it reads otherwise.
Result<GuestTime> parse_guest_time(std::string_view output, std::string_view word);

// Ticks of this machine's time stamp counter in a microsecond, which are the guest's too. Measured
// once against CLOCK_MONOTONIC, which takes 0.2 s.
double ticks_per_us();

// Runs `program` to its end. Returns how many a second `word` did. Errors: it does not end well;
// its output as above; something failed.
Result<double> guest_rate(const Program& program, std::string_view word);
