#include "bench/comparison.hpp"

#include <cstdio>

#include "bench/interrupt.hpp"
#include "bench/statistics.hpp"

Result<Comparison> compare(uint64_t rounds, const std::function<Result<double>()>& reference,
                           const std::function<Result<double>()>& guest) {
    Comparison comparison;
    for (uint64_t round = 0; round < rounds; ++round) {
        for (uint64_t turn = 0; turn < 2; ++turn) {
            const bool is_guest = turn != round % 2;
            const Result<double> rate = is_guest ? guest() : reference();
            if (was_signalled()) return interruption();
            if (!rate.ok()) return rate.error();
            (is_guest ? comparison.guest : comparison.reference).push_back(rate.value());
        }
    }
    return comparison;
}

Result<> record(Results& results, const char* reference, const char* figure, const char* unit,
                const Comparison& comparison) {
    constexpr char kNoChoice[] = "";
    TRY(results.samples(reference, kNoChoice, figure, unit, comparison.reference));
    return results.samples("mayfly", kNoChoice, figure, unit, comparison.guest);
}

void print_heading(const char* what, const char* reference) {
    std::printf("%-24s %12s %12s %7s\n", what, reference, "guest", "ratio");
}

void print_row(const char* what, const Comparison& comparison) {
    const double reference = median(comparison.reference);
    const double guest = median(comparison.guest);
    const Interval interval = ratio_interval(comparison.guest, comparison.reference);
    std::printf("%-24s %12.0f %12.0f %7.2f [%5.2f .. %5.2f]\n", what, reference, guest,
                guest / reference, interval.low, interval.high);
    std::fflush(stdout);
}
