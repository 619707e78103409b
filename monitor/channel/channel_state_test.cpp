// A channel that is saved and goes on as another one, in another VM with outputs of its own:
// whatever its guest was about, no byte is lost or comes twice.
#include <unistd.h>

#include <csignal>
#include <functional>

#include "monitor/channel/channel_fixture.hpp"

namespace {

using namespace channel_sides;

// The channel in the VM that is created from what `sides` saved, and its bell, when it runs. What
// was held of stdin is offered anew, as ChannelStdio does it.
class Restored : public ChannelSides {
public:
    explicit Restored(const ChannelSides& sides)
        : Restored(sides.channel_.save(), sides.bell_.save()) {}

private:
    Restored(const ChannelState& state, const SerialState& bell)
        : ChannelSides(state, bell), input_(state.input) {
        EXPECT_TRUE(Channel::check(state).ok());
        if (!input_.empty()) channel_.offer_input(input_);
        bell_.repeat_interrupt();
    }

    std::vector<std::byte> input_;
};

class ChannelStateTest : public testing::Test, protected ChannelSides {
protected:
    void SetUp() override { say_hello(); }

    static std::string text_of(FrameType type, const std::vector<ReceivedFrame>& frames) {
        std::string text;
        for (const ReceivedFrame& it : frames)
            if (it.type == type) text += it.payload;
        return text;
    }
    static uint32_t number_of(FrameType type, const std::vector<ReceivedFrame>& frames) {
        uint32_t sum = 0;
        for (const ReceivedFrame& it : frames)
            if (it.type == type) sum += it.number();
        return sum;
    }
};

TEST(NewChannelStateTest, IsThatOfNoneBeforeTheGuestSaysAnything) {
    const ChannelSides sides;
    EXPECT_EQ(sides.channel_.save(), ChannelState{});
    EXPECT_TRUE(Channel::check({}).ok());
    // The hello is still due.
    Restored after(sides);
    after.send_burst(ChannelSides::frame(FrameType::kStdout, "x"));
    EXPECT_EQ(after.refused_, std::vector<uint32_t>{0});
    EXPECT_EQ(after.stdout_.take(), "");
}

TEST_F(ChannelStateTest, AVersionThatWasSaidHolds) {
    EXPECT_EQ(channel_.save().version, guest_abi::kVersion);
    Restored after(*this);
    EXPECT_EQ(after.channel_.save(), channel_.save());
    after.send_burst(frame(FrameType::kStdout, "x"));
    EXPECT_EQ(after.stdout_.take(), "x");
    EXPECT_TRUE(after.refused_.empty());
    EXPECT_EQ(after.rings(), 0);
}

TEST_F(ChannelStateTest, CreditForOutputIsGivenOnceForAllThatWasSent) {
    send_burst(frame(FrameType::kStdout, std::string(50'000, 'a')) +
               frame(FrameType::kStderr, "b"));
    stdout_.take();
    EXPECT_EQ(number_of(FrameType::kStdoutCredit, fetch()), 50'000U);
    send_burst(frame(FrameType::kStdout, std::string(40'000, 'c')));
    Restored after(*this);
    EXPECT_EQ(after.rings(), 0) << "not yet worth a message";
    after.send_burst(frame(FrameType::kStdout, std::string(30'000, 'd')));
    EXPECT_EQ(after.rings(), 1);
    const auto frames = after.fetch();
    EXPECT_EQ(number_of(FrameType::kStdoutCredit, frames), 70'000U);
    EXPECT_EQ(number_of(FrameType::kStderrCredit, frames), 0U);
    EXPECT_EQ(after.stdout_.take(), std::string(30'000, 'd'));
    EXPECT_EQ(after.stderr_.take(), "");
    EXPECT_TRUE(after.fetch().empty());
}

// A program that has used all its credit would wait for ever in the restored VM, whose output has
// nothing to make way.
TEST_F(ChannelStateTest, WhatWaitsForAReaderStaysWhereItIsAndItsCreditComesAtOnce) {
    for (int i = 0; i < 4; ++i) send_burst(frame(FrameType::kStderr, std::string(60'000, 'o')));
    const size_t waiting = errors_.waiting_bytes();
    ASSERT_GT(waiting, 0U);
    EXPECT_EQ(number_of(FrameType::kStderrCredit, fetch()), 240'000U - waiting);
    rings();
    Restored after(*this);
    EXPECT_EQ(after.rings(), 1);
    EXPECT_EQ(number_of(FrameType::kStderrCredit, after.fetch()), waiting);
    after.send_burst(frame(FrameType::kStderr, "new"));
    EXPECT_EQ(after.stderr_.take(), "new");
    // Here they go on to whom they were for.
    size_t taken = 0;
    for (; errors_.is_waiting(); errors_.flush()) taken += stderr_.take().size();
    EXPECT_EQ(taken + stderr_.take().size(), 240'000U);
    channel_.output_moved();
    EXPECT_EQ(number_of(FrameType::kStderrCredit, fetch()), waiting);
}

TEST_F(ChannelStateTest, StdinThatIsHalfFetchedGoesOnWhereItWas) {
    std::string input(kBurstBytes, ' ');
    for (size_t i = 0; i < input.size(); ++i) input[i] = static_cast<char>(i * 31 + (i >> 8) * 7);
    send_burst(frame(FrameType::kStdinCredit, 100'000U));
    channel_.offer_input(bytes(input));
    const std::string first = text_of(FrameType::kStdin, fetch());
    ASSERT_LT(first.size(), input.size());
    rings();
    Restored after(*this);
    EXPECT_EQ(after.channel_.save(), channel_.save());
    EXPECT_EQ(after.channel_.input_room(), 0U) << "these first";
    EXPECT_EQ(first + text_of(FrameType::kStdin, after.fetch()), input);
    EXPECT_TRUE(after.wake_.drain());
    EXPECT_EQ(after.channel_.input_room(), 100'000U - input.size());
    EXPECT_EQ(first + text_of(FrameType::kStdin, fetch()), input) << "here, too";
}

TEST_F(ChannelStateTest, UnusedCreditForStdinIsKept) {
    send_burst(frame(FrameType::kStdinCredit, 5U));
    channel_.offer_input(bytes("abc"));
    Restored held(*this);
    EXPECT_EQ(text_of(FrameType::kStdin, held.fetch()), "abc");
    EXPECT_EQ(held.channel_.input_room(), 2U);
    fetch();
    Restored taken(*this);
    EXPECT_TRUE(taken.fetch().empty());
    EXPECT_EQ(taken.channel_.input_room(), 2U);
    taken.send_burst(frame(FrameType::kStdinCredit, 3U));
    EXPECT_EQ(taken.channel_.input_room(), 5U);
}

TEST_F(ChannelStateTest, TheEndOfStdinIsSaidOnceAndBehindIt) {
    send_burst(frame(FrameType::kStdinCredit, 100U));
    channel_.offer_input(bytes("last"));
    channel_.end_input();
    Restored due(*this);
    EXPECT_EQ(due.channel_.save().input_end, InputEnd::kDue);
    const auto frames = due.fetch();
    ASSERT_EQ(frames.size(), 2U);
    EXPECT_EQ(frames[0].payload, "last");
    EXPECT_EQ(frames[1].type, FrameType::kStdinEnd);
    Restored said(static_cast<const ChannelSides&>(due));
    EXPECT_EQ(said.channel_.save().input_end, InputEnd::kSaid);
    EXPECT_TRUE(said.fetch().empty());
}

TEST_F(ChannelStateTest, SignalsAndWindowThatWaitAreKept) {
    channel_.send_signal(SIGTERM);
    channel_.send_signal(SIGINT);
    channel_.set_window(24, 80);
    Restored after(*this);
    EXPECT_FALSE(after.channel_.send_signal(SIGTERM)) << "the last one is not fetched yet";
    const auto frames = after.fetch();
    ASSERT_EQ(frames.size(), 3U);
    EXPECT_EQ(frames[0].number(), static_cast<uint32_t>(SIGINT));
    EXPECT_EQ(frames[1].number(), static_cast<uint32_t>(SIGTERM));
    EXPECT_EQ(frames[2].number(), 24U << 16 | 80U);
    EXPECT_TRUE(after.channel_.send_signal(SIGTERM));
}

// The guest closes what is gone, and does not open it again.
TEST_F(ChannelStateTest, AnOutputIsGoneOnceItWasSaid) {
    ::signal(SIGPIPE, SIG_IGN);
    stdout_.reader = UniqueFd();
    send_burst(frame(FrameType::kStdout, "lost"));
    const auto says_gone = [](const std::vector<ReceivedFrame>& frames) {
        return std::ranges::count(frames, FrameType::kStdoutGone, &ReceivedFrame::type) == 1;
    };
    Restored unsaid(*this);
    EXPECT_FALSE(says_gone(unsaid.fetch())) << "its stdout has a reader";
    unsaid.send_burst(frame(FrameType::kStdout, "seen"));
    EXPECT_EQ(unsaid.stdout_.take(), "seen");
    EXPECT_TRUE(says_gone(fetch()));
    Restored said(*this);
    EXPECT_TRUE(said.channel_.save().output.is_said_gone);
    said.stdout_.reader = UniqueFd();
    said.send_burst(frame(FrameType::kStdout, "lost again"));
    EXPECT_FALSE(says_gone(said.fetch()));
    ::signal(SIGPIPE, SIG_DFL);
}

TEST_F(ChannelStateTest, TheBellIsHeardOnceWhateverTheGuestHasDoneAboutIt) {
    channel_.set_window(1, 1);
    Restored unheard(*this);
    EXPECT_TRUE(unheard.interrupt_.drain());
    EXPECT_EQ(unheard.rings(), 1);
    EXPECT_EQ(rings(), 1);
    Restored heard(*this);
    EXPECT_FALSE(heard.interrupt_.drain());
    EXPECT_EQ(heard.rings(), 0) << "the guest is on its way";
    EXPECT_EQ(heard.fetch().size(), 1U);
    heard.channel_.set_window(2, 2);
    EXPECT_EQ(heard.rings(), 1);
}

TEST(ChannelStateCheck, RefusesWhatNoChannelCanBeIn) {
    struct Case {
        std::string_view field;
        std::function<void(ChannelState&)> spoil;
    };
    const std::array<Case, 5> cases = {{
        {"version", [](ChannelState& state) { state.version = guest_abi::kVersion + 1; }},
        {"bytes of stdin", [](ChannelState& state) { state.input.resize(kBurstBytes + 1); }},
        {"credit for stdin", [](ChannelState& state) { state.input_credit = kBurstBytes - 1; }},
        {"end of stdin", [](ChannelState& state) { state.input_end = InputEnd{3}; }},
        {"signals", [](ChannelState& state) { state.signals = 1; }},
    }};
    ChannelState sound{.version = guest_abi::kVersion,
                       .output = {.owed = UINT64_MAX, .is_said_gone = true},
                       .errors = {},
                       .input_credit = kBurstBytes,
                       .input = std::vector<std::byte>(kBurstBytes),
                       .input_end = InputEnd::kSaid,
                       .signals = ~1ULL,
                       .window = 1,
                       .has_rung = true};
    ASSERT_TRUE(Channel::check(sound).ok());
    for (const Case& it : cases) {
        ChannelState state = sound;
        it.spoil(state);
        const Result<> fits = Channel::check(state);
        ASSERT_FALSE(fits.ok()) << it.field;
        EXPECT_EQ(std::string_view(fits.error().what), "channel: " + std::string(it.field));
    }
}

// The most that there can be, and more than a guest that keeps to its credit can bring about.
TEST(ChannelStateCheck, WhatIsSoundDoesNoHarmHoweverLarge) {
    const ChannelState state{.version = guest_abi::kVersion,
                             .output = {.owed = UINT64_MAX, .is_said_gone = false},
                             .errors = {.owed = 1ULL << 32, .is_said_gone = true},
                             .input_credit = UINT64_MAX,
                             .input = {},
                             .input_end = InputEnd::kDue,
                             .signals = ~1ULL,
                             .window = UINT32_MAX,
                             .has_rung = false};
    ASSERT_TRUE(Channel::check(state).ok());
    ChannelSides sides(state);
    EXPECT_EQ(sides.channel_.input_room(), kBurstBytes);
    EXPECT_EQ(sides.fetch().size(), 1U + 63U + 1U + 1U);
    for (int i = 0; i < 3; ++i)
        sides.send_burst(ChannelSides::frame(FrameType::kStdout, "x") +
                         ChannelSides::frame(FrameType::kStdinCredit, 7U));
    EXPECT_EQ(sides.stdout_.take(), "xxx");
}

}  // namespace
