#include "monitor/snapshot/archive.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <string_view>

#include "monitor/snapshot/archive_fixture.hpp"

namespace {

std::vector<std::byte> bytes_of(std::initializer_list<int> numbers) {
    std::vector<std::byte> bytes;
    for (const int number : numbers) bytes.push_back(static_cast<std::byte>(number));
    return bytes;
}

template <typename State>
std::vector<std::byte> encoded(const State& state) {
    auto bytes = Encoder::encode(state);
    EXPECT_TRUE(bytes.ok());
    return bytes.value();
}

template <typename State>
std::string error_of(std::span<const std::byte> bytes) {
    const auto state = Decoder::decode<State>(bytes);
    if (state.ok()) return "none";
    return std::to_string(state.error().value.value()) + " " + state.error().hint;
}

// A vector's elements without a bound that a test would meet.
template <typename List>
struct Listed {
    static constexpr uint32_t kMost = 0xffff'fff0;
    List list;
};
template <typename Archive, typename List>
void describe(Archive& archive, Listed<List>& state) {
    archive.bounded(state.list, Listed<List>::kMost);
}

// A structure as an older release has it and as a newer one does.
struct Older {
    uint16_t first = 1;
};
template <typename Archive>
void describe(Archive& archive, Older& state) {
    archive(state.first);
}
struct Newer {
    uint16_t first = 1;
    std::optional<uint8_t> second = 2;
    Older third{.first = 3};
};
template <typename Archive>
void describe(Archive& archive, Newer& state) {
    archive(state.first, state.second, state.third);
}
template <typename Inner>
struct Around {
    std::array<Inner, 2> inner;
    uint8_t behind = 9;
};
template <typename Archive, typename Inner>
void describe(Archive& archive, Around<Inner>& state) {
    archive(state.inner, state.behind);
}

TEST(Archive, FieldsOfEveryKindComeBack) {
    for (const FakeState& state : {FakeState{}, busy_state()}) {
        const auto back = Decoder::decode<FakeState>(encoded(state));
        ASSERT_TRUE(back.ok()) << back.error().hint;
        EXPECT_EQ(back.value(), state);
    }
}

// What the page of the format says, byte by byte: files of older releases are read by it.
TEST(Archive, TheFormatStaysAsItIs) {
    FakeState state;
    state.debt = 0x0403'0201;
    state.third = FakeQueueState{.size = 0x0605};
    state.queues = {{.size = 1, .position = 2}};
    state.input = {std::byte{'x'}};
    state.name = "yz";
    state.registers = {.rax = 0x0a, .flags = 0x0b, .vector = 0x0c};
    state.owed = -2;
    const auto expected = bytes_of({
        3, 1, 2, 3, 4, 1, 0, 0, 0,                             // integers, flag, enums
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,                       // arrays
        3, 0, 0, 0, 0, 1, 0, 3, 0, 0, 0, 0, 1, 0,              // two states, each with
                                                               // its length
        0, 1, 3, 0, 0, 0, 5, 6, 0,                             // optional ones
        3, 0, 0, 0, 0, 1, 0,                                   // a state
        1, 0, 0, 0, 5, 0, 0, 0, 1, 0, 1, 2, 0,                 // a list of them
        0, 0, 0, 0,                                            // an empty list
        1, 0, 0, 0, 'x', 2, 0, 0, 0, 'y', 'z',                 // bytes, characters
        10, 0, 0, 0, 0, 0, 0, 0, 11, 0, 0, 0, 12, 0, 0, 0,     // the kernel's
        0, 0, 0, 0, 0,                                         // none, and no list of them
        254, 255, 255, 255, 255, 255, 255, 255,                // 128 bits, low half first
        255, 255, 255, 255, 255, 255, 255, 255,                //
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0,  // and unsigned ones
    });
    EXPECT_EQ(encoded(state), expected);
}

// Of a cut state the fields that are whole count; the others are as at first.
TEST(Archive, IsReadUpToAFieldsEndAndNowhereElse) {
    const auto bytes = encoded(busy_state());
    FakeState so_far;
    size_t whole = 0;
    for (size_t size = 0; size < bytes.size(); ++size) {
        const auto state = Decoder::decode<FakeState>(std::span(bytes).first(size));
        if (!state.ok()) {
            EXPECT_STREQ(state.error().what, "at byte");
            EXPECT_LE(state.error().value, size);
            continue;
        }
        ++whole;
        EXPECT_EQ(state.value().last, FakeState{}.last);
        EXPECT_EQ(state.value().line_control, size == 0 ? 3 : 0x83);
    }
    EXPECT_EQ(whole, 21u) << "as many as there are fields";
}

TEST(Archive, AnOlderReleasesStateIsAsAtFirstInWhatItDoesNotHave) {
    const auto alone = Decoder::decode<Newer>(encoded(Older{.first = 5}));
    ASSERT_TRUE(alone.ok());
    EXPECT_EQ(alone.value().first, 5);
    EXPECT_EQ(alone.value().second, 2);
    EXPECT_EQ(alone.value().third.first, 3);

    const auto within = Decoder::decode<Around<Newer>>(
        encoded(Around<Older>{.inner = {Older{.first = 5}, Older{.first = 6}}, .behind = 8}));
    ASSERT_TRUE(within.ok());
    EXPECT_EQ(within.value().inner[0].first, 5);
    EXPECT_EQ(within.value().inner[1].first, 6);
    EXPECT_EQ(within.value().inner[1].third.first, 3);
    EXPECT_EQ(within.value().behind, 8);
}

TEST(Archive, ANewerReleasesStateIsRefused) {
    EXPECT_EQ(error_of<Older>(encoded(Newer{})), "2 holds more than this release knows");
    EXPECT_EQ(error_of<Around<Older>>(encoded(Around<Newer>{})),
              "6 holds more than this release knows");
}

TEST(Archive, AFlagIsZeroOrOne) {
    auto bytes = encoded(FakeState{});
    for (const int wrong : {2, 0x80, 0xff}) {
        bytes[5] = static_cast<std::byte>(wrong);
        EXPECT_EQ(error_of<FakeState>(bytes), "5 a flag is neither 0 nor 1");
    }
    EXPECT_EQ(error_of<Newer>(bytes_of({1, 0, 2, 0})), "2 a flag is neither 0 nor 1");
}

TEST(Archive, AnEnumHasOneOfItsValues) {
    auto bytes = encoded(FakeState{});
    bytes[6] = std::byte{3};
    EXPECT_EQ(error_of<FakeState>(bytes), "6 is none of a field's values");
    bytes[6] = std::byte{2};
    bytes[8] = std::byte{0xff};  // the sign of a wider one
    EXPECT_EQ(error_of<FakeState>(bytes), "7 is none of a field's values");
    FakeState wrong;
    wrong.phase = static_cast<FakePhase>(3);
    EXPECT_FALSE(Encoder::encode(wrong).ok());
}

TEST(Archive, WhatHasABoundKeepsItBothWays) {
    FakeState state;
    state.queues.resize(FakeState::kMostQueues);
    state.input.resize(FakeState::kMostInput);
    state.name.resize(FakeState::kMostName);
    state.list_of_registers.resize(FakeState::kMostRegisters);
    EXPECT_EQ(Decoder::decode<FakeState>(encoded(state)).value(), state);
    const auto is_refused = [&](auto FakeState::*list) {
        FakeState longer = state;
        (longer.*list).resize((state.*list).size() + 1);
        const auto bytes = Encoder::encode(longer);
        return !bytes.ok() &&
               bytes.error().hint == std::string_view("has more elements than a field may have");
    };
    EXPECT_TRUE(is_refused(&FakeState::queues));
    EXPECT_TRUE(is_refused(&FakeState::input));
    EXPECT_TRUE(is_refused(&FakeState::name));
    EXPECT_TRUE(is_refused(&FakeState::list_of_registers));

    auto bytes = encoded(state);
    const auto count_of_input = std::ranges::find(bytes, std::byte{FakeState::kMostInput});
    ASSERT_NE(count_of_input, bytes.end());
    *count_of_input = std::byte{FakeState::kMostInput + 1};
    EXPECT_EQ(error_of<FakeState>(bytes), std::to_string(count_of_input - bytes.begin()) +
                                              " has more elements than a field may have");
}

// Address space is all that these would take; a limit that is not asked for is not met either.
TEST(Archive, CountsThatTheBytesCannotHoldAllocateNothing) {
    const auto huge = bytes_of({0xf0, 0xff, 0xff, 0xff, 1, 2, 3, 4});
    constexpr const char* kWrong = "0 has fewer elements than it says";
    EXPECT_EQ(error_of<Listed<std::vector<uint8_t>>>(huge), kWrong);
    EXPECT_EQ(error_of<Listed<std::vector<uint64_t>>>(huge), kWrong);
    EXPECT_EQ(error_of<Listed<std::vector<FakeQueueState>>>(huge), kWrong);
    EXPECT_EQ(error_of<Listed<std::string>>(huge), kWrong);
    const auto few = bytes_of({3, 0, 0, 0, 1, 0, 2, 0});
    EXPECT_EQ(error_of<Listed<std::vector<uint16_t>>>(few), "8 ends inside a field");
}

TEST(Archive, AStateIsWithinTheOneThatItIsIn) {
    const auto longer = bytes_of({3, 0, 0, 0, 1, 0});
    EXPECT_EQ(error_of<Around<Older>>(longer),
              "0 has a structure that is longer than what it is in");
    // A second one that would read what stands behind the first's end.
    EXPECT_EQ(error_of<Around<Older>>(bytes_of({1, 0, 0, 0, 1, 2, 0, 0, 0, 1, 0, 9})),
              "4 ends inside a field");
}

TEST(Archive, NothingOfAWrongStateIsTakenBehindTheError) {
    const auto bytes = bytes_of({3, 1, 2, 3, 4, 7, 9, 9, 9, 9});
    EXPECT_EQ(error_of<FakeState>(bytes), "5 a flag is neither 0 nor 1") << "the first one counts";
}

}  // namespace
