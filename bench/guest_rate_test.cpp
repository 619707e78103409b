#include "bench/guest_rate.hpp"

#include <gtest/gtest.h>

namespace {

TEST(ParseGuestTime, ReadsMicrosecondsAndTicks) {
    auto us =
        parse_guest_time("disk-reads: 1000 of 4096 bytes at depth 32 in 12345 us\n", "disk-reads");
    ASSERT_TRUE(us.ok());
    EXPECT_EQ(us.value().count, 1000U);
    EXPECT_EQ(us.value().time, 12345U);
    EXPECT_EQ(us.value().unit, GuestTime::Unit::kMicroseconds);
    EXPECT_EQ(us.value().failed, 0U);

    auto ticks = parse_guest_time("send-frames: 7 of 64 bytes in 99 ticks\n", "send-frames");
    ASSERT_TRUE(ticks.ok());
    EXPECT_EQ(ticks.value().count, 7U);
    EXPECT_EQ(ticks.value().time, 99U);
    EXPECT_EQ(ticks.value().unit, GuestTime::Unit::kTicks);
}

TEST(ParseGuestTime, FindsItsLineAmongOthers) {
    auto time = parse_guest_time(
        "Hello from a Mayfly guest\ndisk-sum: 1 bytes, FNV-1a 0\ndisk-reads: 2 in 3 us\nmore",
        "disk-reads");
    ASSERT_TRUE(time.ok());
    EXPECT_EQ(time.value().count, 2U);
}

TEST(ParseGuestTime, ReadsHowManyFailed) {
    auto time = parse_guest_time("disk-reads: 2 in 3 ticks, 1 failed\n", "disk-reads");
    ASSERT_TRUE(time.ok());
    EXPECT_EQ(time.value().failed, 1U);
}

TEST(ParseGuestTime, RefusesWhatReadsOtherwise) {
    for (const char* output :
         {"", "\n", "no disk\n", "disk-reads: 2 in 3 us", "disk-reads: 2 in 3\n",
          "disk-reads: x in 3 us\n", "disk-reads: 2 in us\n", "disk-reads: 2 in 3 ms\n",
          "disk-reads: 2 in 3 us, failed\n", "disk-reads: 2 in 3 us, 1 fail\n",
          "disk-reads: 2 in 3 us 4\n", "disk-reads: 0 in 3 us\n", "disk-reads: 2 in 0 us\n",
          "disk-reads: 99999999999999999999 in 3 us\n", "disk-reads 2 in 3 us\n",
          "not disk-reads: 2 in 3 us\n"}) {
        auto time = parse_guest_time(output, "disk-reads");
        ASSERT_FALSE(time.ok()) << output;
        EXPECT_EQ(time.error().code, EPROTO) << output;
    }
}

TEST(TicksPerUs, IsAFrequencyThatProcessorsHave) {
    EXPECT_GT(ticks_per_us(), 100);
    EXPECT_LT(ticks_per_us(), 20'000);
}

Program shell(const char* script) {
    return {.name = "shell", .words = {"/bin/sh", "-c", script}};
}

TEST(GuestRate, IsWhatTheProgramSays) {
    auto rate = guest_rate(shell("echo 'send-frames: 1000 of 64 bytes in 500 us'"), "send-frames");
    ASSERT_TRUE(rate.ok());
    EXPECT_DOUBLE_EQ(rate.value(), 2e6);
}

TEST(GuestRate, IsNoneOfARunThatFailed) {
    auto status = guest_rate(shell("echo 'send-frames: 1 in 5 us'; exit 3"), "send-frames");
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().value, 3U);
    auto failed = guest_rate(shell("echo 'disk-reads: 9 in 5 us, 2 failed'"), "disk-reads");
    ASSERT_FALSE(failed.ok());
    EXPECT_EQ(failed.error().code, EIO);
}

}  // namespace
