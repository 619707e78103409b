// What the tables report of a series of samples. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

struct Interval {
    double low;
    double high;
};

// The smallest sample such that at least `percent` of all are not above it (nearest rank), so it is
// a value that was measured. 0 <= percent <= 100; 0 is the least of all. Precondition: there are
// samples, none of them NaN.
double percentile(std::span<const double> samples, double percent);

// The middle sample, or the mean of the two middle ones. Precondition: as above.
double median(std::span<const double> samples);

// The 95 % bootstrap interval of median(samples) / median(reference).
//
// samples[i] and reference[i] were measured in the same round, and whole rounds are drawn with
// replacement, so that a drift of the machine, which falls on both, does not widen the interval.
// The draws start from a fixed seed: the same samples give the same interval.
// Precondition: both have the same number of samples, at least one, all above 0; draws > 0.
Interval ratio_interval(std::span<const double> samples, std::span<const double> reference,
                        size_t draws = 2000);
