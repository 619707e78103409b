#include "bench/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace {

// Reorders `samples`.
double median_in_place(std::vector<double>& samples) {
    const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
    std::nth_element(samples.begin(), middle, samples.end());
    if (samples.size() % 2 == 1) return *middle;
    return (*std::max_element(samples.begin(), middle) + *middle) / 2;
}

}  // namespace

double percentile(std::span<const double> samples, double percent) {
    std::vector<double> sorted(samples.begin(), samples.end());
    const double wanted = std::ceil(percent / 100 * static_cast<double>(sorted.size()));
    const size_t rank = std::clamp<size_t>(static_cast<size_t>(wanted), 1, sorted.size());
    const auto at = sorted.begin() + static_cast<std::ptrdiff_t>(rank - 1);
    std::nth_element(sorted.begin(), at, sorted.end());
    return *at;
}

double median(std::span<const double> samples) {
    std::vector<double> copy(samples.begin(), samples.end());
    return median_in_place(copy);
}

Interval ratio_interval(std::span<const double> samples, std::span<const double> reference,
                        size_t draws) {
    std::mt19937_64 generator(20221);
    std::uniform_int_distribution<size_t> round(0, samples.size() - 1);
    std::vector<double> drawn(samples.size());
    std::vector<double> drawn_reference(samples.size());
    std::vector<double> ratios;
    ratios.reserve(draws);
    for (size_t draw = 0; draw < draws; ++draw) {
        for (size_t i = 0; i < samples.size(); ++i) {
            const size_t picked = round(generator);
            drawn[i] = samples[picked];
            drawn_reference[i] = reference[picked];
        }
        ratios.push_back(median_in_place(drawn) / median_in_place(drawn_reference));
    }
    return {percentile(ratios, 2.5), percentile(ratios, 97.5)};
}
