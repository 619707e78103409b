#include "rootfs/unikernel/command_line.hpp"

#include <gtest/gtest.h>
#include <string>

namespace {

Request parse(const std::string& line) {
    return parse_command_line({line.data(), line.size()});
}

// The refused word lies in the line, so the line has to outlive it.
std::string refused_in(const std::string& line) {
    const Request request = parse_command_line({line.data(), line.size()});
    return {request.refused.data(), request.refused.size()};
}

bool asks_for_nothing(const Request& request) {
    return !request.silent && !request.quiet && !request.boot_signal && !request.echo &&
           request.fill_mib == 0 && !request.uses_disk() && !request.uses_network() &&
           request.print_lines == 0 && request.sum_bytes == 0 && request.exit_status == 0 &&
           request.ending == Ending::kExit && request.refused.empty();
}

TEST(CommandLine, AsksForNothingWhenEmpty) {
    EXPECT_TRUE(asks_for_nothing(parse("")));
    EXPECT_TRUE(asks_for_nothing(parse("   ")));
}

TEST(CommandLine, TakesEveryWord) {
    const Request request = parse("silent quiet boot-signal echo fill=1 print=22 sum=333 exit=255");
    EXPECT_TRUE(request.silent && request.quiet && request.boot_signal && request.echo);
    EXPECT_EQ(request.fill_mib, 1U);
    EXPECT_EQ(request.print_lines, 22U);
    EXPECT_EQ(request.sum_bytes, 333U);
    EXPECT_EQ(request.exit_status, 255U);
}

TEST(CommandLine, TakesEveryWordOfTheDevices) {
    const Request request = parse(
        "disk-depth=128 disk-reads=1 disk-write=2 disk-sum=3 frame-bytes=1514 frame-batch=128 "
        "send-frames=4 receive-frames=5");
    EXPECT_EQ(request.disk_depth, 128U);
    EXPECT_EQ(request.disk_reads, 1U);
    EXPECT_EQ(request.disk_writes, 2U);
    EXPECT_EQ(request.disk_sums, 3U);
    EXPECT_EQ(request.frame_bytes, 1514U);
    EXPECT_EQ(request.frame_batch, 128U);
    EXPECT_EQ(request.sent_frames, 4U);
    EXPECT_EQ(request.awaited_frames, 5U);
    EXPECT_TRUE(request.refused.empty());
}

TEST(CommandLine, TakesEveryWordOfTheChannel) {
    const Request request = parse("channel-abi=7 channel-print=2 channel-echo");
    EXPECT_EQ(request.channel_version, 7U);
    EXPECT_EQ(request.channel_lines, 2U);
    EXPECT_TRUE(request.channel_echo && request.uses_channel());
    EXPECT_EQ(parse("channel-echo").channel_version, guest_abi::kVersion);
    EXPECT_EQ(parse("channel-abi=0").channel_version, 0U);
    EXPECT_EQ(refused_in("channel-abi=4294967296"), "channel-abi=4294967296");
}

TEST(CommandLine, SupposesWhatTheDeviceWordsLeaveOut) {
    const Request request = parse("disk-reads=1 send-frames=1");
    EXPECT_EQ(request.disk_depth, 1U);
    EXPECT_EQ(request.frame_bytes, 64U);
    EXPECT_EQ(request.frame_batch, 32U);
}

TEST(CommandLine, TakesEveryEndingAndTheLastOneCounts) {
    EXPECT_EQ(parse("reset").ending, Ending::kReset);
    EXPECT_EQ(parse("poweroff").ending, Ending::kPowerOff);
    EXPECT_EQ(parse("crash").ending, Ending::kCrash);
    EXPECT_EQ(parse("loop").ending, Ending::kLoop);
    EXPECT_EQ(parse("loop crash").ending, Ending::kCrash);
    EXPECT_EQ(parse("loop exit=1").ending, Ending::kExit);
    EXPECT_EQ(parse("exit=1 exit=2").exit_status, 2U);
}

TEST(CommandLine, TakesWordsOnEitherSideOfTheDashes) {
    const Request request = parse("console=ttyS0 quiet  -- echo exit=7 ");
    EXPECT_TRUE(request.quiet);
    EXPECT_TRUE(request.echo);
    EXPECT_EQ(request.exit_status, 7U);
    EXPECT_TRUE(request.refused.empty());
}

TEST(CommandLine, PassesOverWhatIsNotItsOwn) {
    EXPECT_TRUE(
        asks_for_nothing(parse("panic=1 disk-reads send-frame=1 Quiet quietly exits=9 =3 exit "
                               "echo=1 root=exit=5 loop= -- --")));
}

TEST(CommandLine, RefusesWhatIsNoNumberOrTooLarge) {
    for (const char* word :
         {"exit=", "exit=256", "exit=-1", "exit=0x1", "exit=1=2", "fill=1M", "print=1099511627777",
          "sum=99999999999999999999999999", "disk-depth=0", "disk-depth=129",
          "disk-reads=", "disk-write=x", "disk-sum=-1", "frame-bytes=13", "frame-bytes=1515",
          "frame-batch=0", "frame-batch=129", "send-frames=1k", "receive-frames="}) {
        EXPECT_EQ(refused_in("quiet " + std::string(word) + " exit=3"), word);
    }
    EXPECT_EQ(refused_in("print=1099511627776"), "");
}

TEST(CommandLine, NamesTheFirstRefusedWord) {
    EXPECT_EQ(refused_in("exit=1 fill=a exit=b"), "fill=a");
}

}  // namespace
