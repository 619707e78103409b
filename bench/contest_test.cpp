#include "bench/contest.hpp"

#include <gtest/gtest.h>
#include <limits>

namespace {

constexpr Rounds kRounds{.warm_up = 1,
                         .runs = 3,
                         .limit_ms = 10'000,
                         .budget_us = std::numeric_limits<double>::infinity()};

// Where nothing keeps what a program says, it is lost.
Contestant shell(const char* name, const char* script) {
    return {.program = {.name = name, .words = {"/bin/sh", "-c", script}},
            .marker = "hello",
            .given_file = {},
            .error_file = {}};
}

TEST(LastLine, HasWords) {
    EXPECT_EQ(last_line("first\nlast"), "last");
    EXPECT_EQ(last_line("first\r\nlast\r\n\n"), "last");
    EXPECT_EQ(last_line("only"), "only");
    EXPECT_EQ(last_line("\n \n"), "");
    EXPECT_EQ(last_line(""), "");
}

TEST(Contest, CountsTheRoundsAfterTheWarmUp) {
    std::vector<Contestant> all;
    all.push_back(shell("early", "echo hello; exec sleep 1000"));
    all.push_back(shell("ending", "echo starting; echo hello"));
    ASSERT_TRUE(run_rounds(all, kRounds, "test").ok());
    for (const Contestant& one : all) {
        EXPECT_EQ(one.absence, "");
        EXPECT_EQ(one.first_output_us.size(), 3U);
        EXPECT_EQ(one.end_us.size(), 3U);
    }
}

TEST(Contest, LeavesOutWhatFails) {
    std::vector<Contestant> all;
    all.push_back(shell("good", "echo hello"));
    all.push_back(shell("bad", "echo oops"));
    all.push_back({.program = {.name = "none", .words = {"/no/such/program"}}, .marker = "hello"});
    ASSERT_TRUE(try_each(all, kRounds.limit_ms, "test").ok());
    EXPECT_EQ(all[0].absence, "");
    EXPECT_NE(all[1].absence.find("ended before its guest printed anything"), std::string::npos);
    EXPECT_NE(all[2].absence.find("No such file"), std::string::npos);
    ASSERT_TRUE(run_rounds(all, kRounds, "test").ok());
    EXPECT_EQ(all[0].end_us.size(), 3U);
    EXPECT_TRUE(all[1].end_us.empty());
}

TEST(Contest, MeasuresOneRoundWhateverItMayTake) {
    std::vector<Contestant> all;
    all.push_back(shell("good", "echo hello"));
    Rounds rounds = kRounds;
    rounds.budget_us = 0;
    ASSERT_TRUE(run_rounds(all, rounds, "test").ok());
    EXPECT_EQ(all[0].end_us.size(), 1U);
}

}  // namespace
