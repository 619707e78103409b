// Two ways to do the same, measured in turn. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/result.hpp"
#include "bench/results.hpp"

struct Comparison {
    std::vector<double> reference;  // a second, one sample a round
    std::vector<double> guest;
};

// Measures each `rounds` times, there and back (A B, B A), so that a drift of the machine falls on
// both. Errors: those of the two; EINTR after a signal (interrupt.hpp).
Result<Comparison> compare(uint64_t rounds, const std::function<Result<double>()>& reference,
                           const std::function<Result<double>()>& guest);

// What `reference` and Mayfly did of `figure`, in `unit`. Errors: as Results::samples().
Result<> record(Results& results, const char* reference, const char* figure, const char* unit,
                const Comparison& comparison);

// One line of a table: medians, their ratio and its 95 % interval.
void print_heading(const char* what, const char* reference);
void print_row(const char* what, const Comparison& comparison);
