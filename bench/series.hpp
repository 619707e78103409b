// Programs that are started again and again in turn, and how long each took to its first output.
// METHOD.md, "mayfly-bench startup". One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "bench/program.hpp"

struct Series {
    // Where a word has kRunMark, the number of the run stands in its place.
    static constexpr char kRunMark[] = "{run}";

    Program program;
    std::vector<double> first_output_us{};
    std::vector<double> exit_us{};
    // Called after each counted round with this one's first output.
    std::function<Result<>(double)> after_round{};
};

constexpr int kStartTimeoutMs = 30'000;

// `program` as it is started the time `run`.
Program numbered(const Program& program, uint64_t run);

// The programs take turns, there and back (A B B A), so that a drift of the machine falls on all;
// the first `warm_up` rounds are not counted. Errors: a program that fails, about it; EINTR. All
// have as many samples as the others, also then.
Result<> run_in_turn(std::span<Series> series, uint64_t warm_up, uint64_t runs);

// A table, with the ratio of each median to that of the first series.
// Precondition: they have samples.
void print_series(std::span<const Series> series);
