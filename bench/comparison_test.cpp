#include "bench/comparison.hpp"

#include <csignal>
#include <cstdlib>
#include <gtest/gtest.h>
#include <string>

#include "bench/interrupt.hpp"

namespace {

TEST(Compare, GoesThereAndBack) {
    std::string order;
    const auto comparison = compare(
        3,
        [&]() -> Result<double> {
            order += 'r';
            return static_cast<double>(order.size());
        },
        [&]() -> Result<double> {
            order += 'g';
            return static_cast<double>(order.size());
        });
    ASSERT_TRUE(comparison.ok());
    EXPECT_EQ(order, "rggrrg");
    EXPECT_EQ(comparison.value().reference, (std::vector<double>{1, 4, 5}));
    EXPECT_EQ(comparison.value().guest, (std::vector<double>{2, 3, 6}));
}

TEST(Compare, EndsWithTheFirstError) {
    int runs = 0;
    const auto comparison = compare(
        5,
        [&]() -> Result<double> {
            ++runs;
            return 1.0;
        },
        []() -> Result<double> {
            return Error{"guest", EPROTO};
        });
    ASSERT_FALSE(comparison.ok());
    EXPECT_EQ(comparison.error().code, EPROTO);
    EXPECT_EQ(runs, 1);
}

// Another process, because a signal that was seen stays seen.
TEST(CompareDeathTest, EndsAfterASignalWithoutDying) {
    const auto interrupted = [] {
        watch_for_signals();
        const auto comparison = compare(
            2,
            []() -> Result<double> {
                std::raise(SIGINT);
                return Error{"guest", EPIPE};
            },
            []() -> Result<double> { return 1.0; });
        std::_Exit(!comparison.ok() && comparison.error().code == EINTR ? 42 : 1);
    };
    EXPECT_EXIT(interrupted(), testing::ExitedWithCode(42), "");
}

}  // namespace
