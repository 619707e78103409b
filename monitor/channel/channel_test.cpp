#include "monitor/channel/channel.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "abi/version.hpp"
#include "monitor/channel/channel_fixture.hpp"

namespace {

using namespace channel_sides;

class ChannelTest : public testing::Test, protected ChannelSides {
protected:
    void SetUp() override {
        if (says_hello_) say_hello();
    }

    bool says_hello_ = true;
};

TEST_F(ChannelTest, TellsWhereItsBuffersAre) {
    EXPECT_EQ(in32(Channel::kBuffers), kBuffers.value);
    EXPECT_EQ(in32(Channel::kBurst), 0U);
}

TEST_F(ChannelTest, KeepsTheTwoOutputsApart) {
    send_burst(frame(FrameType::kStdout, "one") + frame(FrameType::kStderr, "two") +
               frame(FrameType::kStdout, std::string_view("\0\xff", 2)));
    EXPECT_EQ(stdout_.take(), std::string("one\0\xff", 5));
    EXPECT_EQ(stderr_.take(), "two");
}

TEST_F(ChannelTest, PassesOverWhatIsNoFrame) {
    send_burst("1234567");  // shorter than a header
    const FrameHeader cut_short{FrameType::kStdout, kFirstProgram, 100};
    std::string burst(sizeof cut_short, '\0');
    std::memcpy(burst.data(), &cut_short, sizeof cut_short);
    send_burst(frame(FrameType::kStdout, "before") + burst + "after");
    send_burst(frame(static_cast<FrameType>(77), "unknown") +
               frame(FrameType::kStdin, "not yours"));
    out32(Channel::kBurst, 0);
    EXPECT_EQ(stdout_.take(), "before");
    EXPECT_EQ(stderr_.take(), "");
    EXPECT_EQ(channel_.passed_over_frames(), 2U);
}

TEST_F(ChannelTest, PassesOverWhatIsOfAnotherStream) {
    for (const auto stream : std::to_array<uint16_t>({1, 2, 255, 256, 65535})) {
        send_burst(frame(FrameType::kStdout, "another's", stream) +
                   frame(FrameType::kStdinCredit, 100U, stream) +
                   frame(FrameType::kStdout, "ours"));
        EXPECT_EQ(stdout_.take(), "ours");
    }
    EXPECT_EQ(channel_.input_room(), 0U);
    EXPECT_EQ(channel_.passed_over_frames(), 10U);
    // Nothing was taken on the other streams' account.
    const auto frames = fetch();
    ASSERT_EQ(frames.size(), 1U);
    EXPECT_EQ(frames[0].type, FrameType::kStdoutCredit);
    EXPECT_EQ(frames[0].stream, kFirstProgram);
    EXPECT_EQ(frames[0].number(), 5 * std::string_view("ours").size());
}

// Once, however much follows; what the other output has to do is untouched.
TEST_F(ChannelTest, SaysThatAnOutputIsGone) {
    ::signal(SIGPIPE, SIG_IGN);
    stdout_.reader = UniqueFd();
    for (int i = 0; i < 2; ++i)
        send_burst(frame(FrameType::kStdout, "lost") + frame(FrameType::kStderr, "seen"));
    EXPECT_EQ(stderr_.take(), "seenseen");
    const auto frames = fetch();
    const auto gone = std::ranges::count(frames, FrameType::kStdoutGone, &ReceivedFrame::type);
    EXPECT_EQ(gone, 1);
    EXPECT_EQ(std::ranges::count(frames, FrameType::kStderrGone, &ReceivedFrame::type), 0);
    send_burst(frame(FrameType::kStdout, "lost again"));
    for (const ReceivedFrame& received : fetch()) EXPECT_NE(received.type, FrameType::kStdoutGone);
    ::signal(SIGPIPE, SIG_DFL);
}

TEST_F(ChannelTest, AHelloOfTheSameVersionChangesNothing) {
    send_burst(frame(FrameType::kHello, guest_abi::kVersion) + frame(FrameType::kStdout, "x"));
    EXPECT_EQ(stdout_.take(), "x");
    EXPECT_TRUE(refused_.empty());
    EXPECT_EQ(channel_.passed_over_frames(), 0U);
}

TEST_F(ChannelTest, AHelloMayBecomeLonger) {
    std::string payload(12, '\x55');
    std::memcpy(payload.data(), &guest_abi::kVersion, sizeof guest_abi::kVersion);
    send_burst(frame(FrameType::kHello, payload) + frame(FrameType::kStdout, "x"));
    EXPECT_EQ(stdout_.take(), "x");
    EXPECT_TRUE(refused_.empty());
}

TEST_F(ChannelTest, AnotherVersionLaterIsRefusedToo) {
    send_burst(frame(FrameType::kStdout, "before") + frame(FrameType::kHello, 7U) +
               frame(FrameType::kStdout, "after"));
    EXPECT_EQ(stdout_.take(), "before");
    EXPECT_EQ(refused_, std::vector<uint32_t>{7});
}

// Guests that have not said anything yet.
class NewChannelTest : public ChannelTest {
protected:
    NewChannelTest() { says_hello_ = false; }
};

TEST_F(NewChannelTest, AGuestOfAnotherVersionIsRefusedOnceAndNotHeard) {
    for (int i = 0; i < 3; ++i)
        send_burst(frame(FrameType::kHello, guest_abi::kVersion + 1) +
                   frame(FrameType::kStdout, "x"));
    send_burst(frame(FrameType::kHello, guest_abi::kVersion) + frame(FrameType::kStdout, "y"));
    EXPECT_EQ(refused_, std::vector<uint32_t>{guest_abi::kVersion + 1});
    EXPECT_EQ(stdout_.take(), "");
}

// Before there were versions, type and stream were one number of 32 bits, and the first frame was
// the credit for stdin, or what failed.
TEST_F(NewChannelTest, AGuestFromBeforeVersionsIsRefused) {
    send_burst(std::string("\3\0\0\0\4\0\0\0\0\0\1\0", 12) + std::string("\2\0\0\0\1\0\0\0x", 9));
    EXPECT_EQ(refused_, std::vector<uint32_t>{0});
    EXPECT_EQ(stderr_.take(), "");
    EXPECT_EQ(channel_.input_room(), 0U);
}

TEST_F(NewChannelTest, WhatIsNoWholeHelloSaysNoVersion) {
    send_burst("1234567");  // no frame at all
    EXPECT_TRUE(refused_.empty());
    send_burst(frame(FrameType::kHello, std::string_view("\1\0\0", 3)));
    EXPECT_EQ(refused_, std::vector<uint32_t>{0});
}

TEST_F(NewChannelTest, AHelloOfAnotherStreamIsNone) {
    send_burst(frame(FrameType::kHello, guest_abi::kVersion, 1));
    EXPECT_EQ(refused_, std::vector<uint32_t>{0});
}

TEST_F(NewChannelTest, WhatIsFetchedNeedsNoHello) {
    channel_.set_window(1, 2);
    EXPECT_EQ(fetch().size(), 1U);
    EXPECT_TRUE(refused_.empty());
}

TEST_F(ChannelTest, TakesNoMoreThanTheBufferHolds) {
    const std::string most(kBurstBytes - sizeof(FrameHeader), 'x');
    std::string burst = frame(FrameType::kStdout, most);
    std::memcpy(&ram_[kBuffers.value], burst.data(), burst.size());
    out32(Channel::kBurst, 0xffffffff);
    EXPECT_EQ(stdout_.take().size(), most.size());
}

TEST_F(ChannelTest, IgnoresAccessesOfOtherWidths) {
    send_burst(frame(FrameType::kStdout, "x"));
    stdout_.take();
    constexpr std::array kSize = {std::byte{9}, std::byte{0}};
    channel_.out(Channel::kBurst, kSize, 2);
    channel_.out(Channel::kBurst, std::span(kSize).first(1), 1);
    EXPECT_EQ(stdout_.take(), "");
    std::array<std::byte, 2> value{};
    channel_.in(Channel::kBurst, value, 2);
    EXPECT_EQ(value[0], std::byte{0xff});
}

// The reader counts writes: each is a packet of its own.
TEST_F(ChannelTest, FramesOfOneOutputThatFollowEachOtherAreOneWrite) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
    const UniqueFd ours(ends[0]);
    const UniqueFd theirs(ends[1]);
    ConsoleOutput output(theirs.get(), queued_, timeline_);
    Channel channel(GuestMemory(ram_), kBuffers, bell_, output, output, wake_, *this);
    const auto send = [&](std::string_view burst) {
        std::memcpy(&ram_[kBuffers.value], burst.data(), burst.size());
        const auto size = static_cast<uint32_t>(burst.size());
        channel.out(Channel::kBurst, std::as_bytes(std::span(&size, 1)), 4);
    };
    const auto packets = [&] {
        std::vector<std::string> found;
        std::string room(kBurstBytes, '\0');
        for (;;) {
            const ssize_t count = ::recv(ours.get(), room.data(), room.size(), MSG_DONTWAIT);
            if (count < 0) return found;
            found.emplace_back(room.data(), static_cast<size_t>(count));
        }
    };
    std::string burst = frame(FrameType::kHello, guest_abi::kVersion);
    std::string expected;
    for (int i = 0; burst.size() + 11 <= kBurstBytes - 100; ++i) {
        const std::string text(static_cast<size_t>(i % 4), static_cast<char>('a' + i % 26));
        burst += frame(FrameType::kStdout, text) + frame(FrameType::kStdout, "");
        expected += text;
    }
    send(burst + frame(FrameType::kStderr, "e") + frame(FrameType::kStderr, "") +
         frame(FrameType::kStdout, "o") + frame(FrameType::kStdinCredit, 0U) +
         frame(FrameType::kStdout, "p"));
    EXPECT_EQ(packets(), (std::vector<std::string>{expected, "e", "op"}));
    // Nothing is no write.
    burst.clear();
    for (int i = 0; i < 8192; ++i)
        burst += frame(i % 2 == 0 ? FrameType::kStdout : FrameType::kStderr, "");
    send(burst);
    EXPECT_TRUE(packets().empty());
}

TEST_F(ChannelTest, ABurstOfCreditIsOneWakeUp) {
    const auto wake_ups = [&] {
        uint64_t count = 0;
        return ::read(wake_.fd(), &count, sizeof count) == sizeof count ? count : 0;
    };
    std::string burst;
    for (int i = 0; i < 8192; ++i) burst += frame(FrameType::kStdinCredit, "");
    ASSERT_EQ(burst.size(), kBurstBytes);
    send_burst(burst);
    EXPECT_EQ(wake_ups(), 0U);
    EXPECT_EQ(channel_.input_room(), 0U);
    burst.clear();
    for (int i = 0; i < 5000; ++i) burst += frame(FrameType::kStdinCredit, 2U);
    send_burst(burst);
    EXPECT_EQ(wake_ups(), 1U);
    EXPECT_EQ(channel_.input_room(), 10'000U);
}

TEST_F(ChannelTest, GivesInputOnlyForCredit) {
    EXPECT_EQ(channel_.input_room(), 0U);
    send_burst(frame(FrameType::kStdinCredit, 5U));
    EXPECT_TRUE(wake_.drain());
    EXPECT_EQ(channel_.input_room(), 5U);
    channel_.offer_input(bytes("abc"));
    EXPECT_EQ(channel_.input_room(), 0U);  // these first
    EXPECT_EQ(rings(), 1);
    const auto frames = fetch();
    ASSERT_EQ(frames.size(), 1U);
    EXPECT_EQ(frames[0].type, FrameType::kStdin);
    EXPECT_EQ(frames[0].payload, "abc");
    EXPECT_EQ(channel_.input_room(), 2U);
    channel_.end_input();
    EXPECT_EQ(rings(), 1);
    ASSERT_EQ(fetch().at(0).type, FrameType::kStdinEnd);
    EXPECT_TRUE(fetch().empty());
}

TEST_F(ChannelTest, InputLargerThanABurstComesInParts) {
    send_burst(frame(FrameType::kStdinCredit, 0xffffffffU));
    ASSERT_EQ(channel_.input_room(), kBurstBytes);
    const std::string input(kBurstBytes, 'i');
    channel_.offer_input(bytes(input));
    channel_.end_input();
    const auto first = fetch();
    ASSERT_EQ(first.size(), 1U);
    EXPECT_EQ(rings(), 2);  // once for the offer, and again for the rest of it
    const auto second = fetch();
    ASSERT_EQ(second.size(), 2U);
    EXPECT_EQ(first[0].payload + second[0].payload, input);
    EXPECT_EQ(second[1].type, FrameType::kStdinEnd);
}

TEST_F(ChannelTest, ReturnsCreditForWhatTheReaderTook) {
    const std::string payload(40'000, 'o');
    send_burst(frame(FrameType::kStdout, payload));
    EXPECT_EQ(rings(), 0);  // not yet worth a message
    stdout_.take();
    send_burst(frame(FrameType::kStdout, payload));
    EXPECT_EQ(rings(), 1);
    const auto frames = fetch();
    ASSERT_EQ(frames.size(), 1U);
    EXPECT_EQ(frames[0].type, FrameType::kStdoutCredit);
    EXPECT_EQ(frames[0].number(), 80'000U);
}

TEST_F(ChannelTest, GivesNoCreditForWhatWaits) {
    const std::string payload(60'000, 'o');
    for (int i = 0; i < 4; ++i) send_burst(frame(FrameType::kStderr, payload));
    const size_t waiting = errors_.waiting_bytes();
    ASSERT_GT(waiting, 0U);
    const auto frames = fetch();
    ASSERT_EQ(frames.size(), 1U);
    EXPECT_EQ(frames[0].type, FrameType::kStderrCredit);
    EXPECT_EQ(frames[0].number(), 240'000U - waiting);
    while (errors_.is_waiting()) {
        stderr_.take();
        errors_.flush();
    }
    channel_.output_moved();
    EXPECT_EQ(fetch().at(0).number(), waiting);
}

TEST_F(ChannelTest, ASignalThatWasNotFetchedIsRefusedTheSecondTime) {
    EXPECT_TRUE(channel_.send_signal(SIGTERM));
    EXPECT_TRUE(channel_.send_signal(SIGINT));
    EXPECT_FALSE(channel_.send_signal(SIGTERM));
    EXPECT_EQ(rings(), 1);
    const auto frames = fetch();
    ASSERT_EQ(frames.size(), 2U);
    EXPECT_EQ(frames[0].number(), static_cast<uint32_t>(SIGINT));
    EXPECT_EQ(frames[1].number(), static_cast<uint32_t>(SIGTERM));
    EXPECT_TRUE(channel_.send_signal(SIGTERM));
}

TEST_F(ChannelTest, OfWindowSizesTheLastCounts) {
    channel_.set_window(10, 20);
    channel_.set_window(24, 80);
    const auto frames = fetch();
    ASSERT_EQ(frames.size(), 1U);
    EXPECT_EQ(frames[0].type, FrameType::kWindowSize);
    EXPECT_EQ(frames[0].number(), 24U << 16 | 80U);
}

TEST_F(ChannelTest, RingsOnceUntilTheGuestFetches) {
    channel_.set_window(1, 1);
    channel_.send_signal(SIGHUP);
    channel_.end_input();
    EXPECT_EQ(rings(), 1);
    fetch();
    channel_.send_signal(SIGHUP);
    EXPECT_EQ(rings(), 1);
}

TEST_F(ChannelTest, ManyFetchesWithoutAnAnswerToTheBellDoNoHarm) {
    for (int i = 0; i < 10'000; ++i) {
        channel_.set_window(1, 1);
        ASSERT_EQ(fetch().size(), 1U);
    }
    EXPECT_GT(rings(), 0);
}

}  // namespace
