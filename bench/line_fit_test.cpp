#include "bench/line_fit.hpp"

#include <array>
#include <gtest/gtest.h>

namespace {

TEST(LineFit, OfPointsOnALineIsThatLine) {
    const LineFit fit = fit_line(std::array{FitPoint{1, 5}, FitPoint{2, 7}, FitPoint{5, 13}});
    EXPECT_NEAR(fit.at_zero, 3, 1e-9);
    EXPECT_DOUBLE_EQ(fit.slope, 2);
    EXPECT_DOUBLE_EQ(fit.r_squared, 1);
}

// Worked out by hand: means 2 and 2; sums of squares 2 and 2; of products 1.
TEST(LineFit, OfOthersLiesBetweenThem) {
    const LineFit fit = fit_line(std::array{FitPoint{1, 1}, FitPoint{2, 3}, FitPoint{3, 2}});
    EXPECT_DOUBLE_EQ(fit.at_zero, 1);
    EXPECT_DOUBLE_EQ(fit.slope, 0.5);
    EXPECT_DOUBLE_EQ(fit.r_squared, 0.25);
}

TEST(LineFit, OfALevelLineIsLevel) {
    const LineFit fit = fit_line(std::array{FitPoint{1, 4}, FitPoint{9, 4}});
    EXPECT_DOUBLE_EQ(fit.slope, 0);
    EXPECT_DOUBLE_EQ(fit.r_squared, 1);
}

}  // namespace
