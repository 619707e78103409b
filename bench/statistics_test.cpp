#include "bench/statistics.hpp"

#include <algorithm>
#include <array>
#include <gtest/gtest.h>
#include <numeric>
#include <random>
#include <vector>

namespace {

std::vector<double> shuffled_one_to(int last) {
    std::vector<double> samples(static_cast<size_t>(last));
    std::iota(samples.begin(), samples.end(), 1.0);
    std::shuffle(samples.begin(), samples.end(), std::minstd_rand(7));
    return samples;
}

TEST(Statistics, MedianOfOddCountIsTheMiddleSample) {
    EXPECT_EQ(median(std::array{9.0, 1.0, 5.0}), 5.0);
}

TEST(Statistics, MedianOfEvenCountIsTheMeanOfTheMiddleTwo) {
    EXPECT_EQ(median(std::array{10.0, 1.0, 2.0, 4.0}), 3.0);
}

TEST(Statistics, OneSampleIsItsOwnMedianAndPercentile) {
    EXPECT_EQ(median(std::array{3.5}), 3.5);
    EXPECT_EQ(percentile(std::array{3.5}, 99), 3.5);
}

TEST(Statistics, PercentileIsANearestRank) {
    const std::vector<double> samples = shuffled_one_to(300);
    EXPECT_EQ(percentile(samples, 99), 297);
    EXPECT_EQ(percentile(samples, 50), 150);
    EXPECT_EQ(percentile(samples, 100), 300);
    EXPECT_EQ(percentile(samples, 0.01), 1);
}

TEST(Statistics, PercentileOfFewSamplesIsTheLargest) {
    EXPECT_EQ(percentile(std::array{2.0, 8.0, 4.0}, 99), 8.0);
}

TEST(Statistics, SamplesAreLeftInTheirOrder) {
    const std::vector<double> before = shuffled_one_to(20);
    const std::vector<double> samples = before;
    median(samples);
    percentile(samples, 90);
    EXPECT_EQ(samples, before);
}

TEST(Statistics, AConstantRatioHasAnIntervalOfNoWidth) {
    const std::vector<double> reference = shuffled_one_to(101);
    std::vector<double> samples;
    for (const double value : reference) samples.push_back(value * 3);
    const Interval interval = ratio_interval(samples, reference);
    EXPECT_DOUBLE_EQ(interval.low, 3.0);
    EXPECT_DOUBLE_EQ(interval.high, 3.0);
}

TEST(Statistics, TheIntervalHoldsTheRatioAndNarrowsWithMoreSamples) {
    std::mt19937_64 generator(1);
    std::normal_distribution<double> noise(1.0, 0.1);
    const auto series = [&](size_t count, double scale) {
        std::vector<double> samples(count);
        for (double& sample : samples) sample = scale * noise(generator);
        return samples;
    };
    const Interval few = ratio_interval(series(30, 200), series(30, 100));
    const Interval many = ratio_interval(series(3000, 200), series(3000, 100));
    EXPECT_LT(many.low, 2.0);
    EXPECT_GT(many.high, 2.0);
    EXPECT_LT(many.high - many.low, (few.high - few.low) / 3);
    EXPECT_GT(many.high - many.low, 0.001);
}

TEST(Statistics, TheIntervalRepeats) {
    const std::vector<double> samples = shuffled_one_to(50);
    const std::vector<double> reference(50, 10.0);
    const Interval first = ratio_interval(samples, reference);
    const Interval second = ratio_interval(samples, reference);
    EXPECT_EQ(first.low, second.low);
    EXPECT_EQ(first.high, second.high);
    EXPECT_LT(first.low, first.high);
}

// The report computes them once more, in Python: tests/report/agreement.py has the same figures.
TEST(Statistics, TheIntervalIsTheReportsToTheLastBit) {
    std::vector<double> samples;
    std::vector<double> reference;
    for (int i = 0; i < 100; ++i) {
        samples.push_back(100 + i * 37 % 101);
        reference.push_back(50 + i * 53 % 97);
    }
    const Interval interval = ratio_interval(samples, reference);
    EXPECT_EQ(interval.low, 1.3804878048780487);
    EXPECT_EQ(interval.high, 1.7239583333333333);
}

}  // namespace
