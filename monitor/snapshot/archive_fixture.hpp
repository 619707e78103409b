// A state with a field of every kind, for tests of what writes and reads states. Tests only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "monitor/snapshot/archive.hpp"

enum class FakePhase : uint8_t { kReady, kRunning, kFailed };
constexpr FakePhase last_value(FakePhase) {
    return FakePhase::kFailed;
}

enum class FakeLevel : int16_t { kNone, kSome };
constexpr FakeLevel last_value(FakeLevel) {
    return FakeLevel::kSome;
}

// As the kernel's interface has them.
struct FakeRegisters {
    uint64_t rax = 0;
    uint32_t flags = 0;
    uint8_t vector = 0;
    std::array<uint8_t, 3> reserved{};

    bool operator==(const FakeRegisters&) const = default;
};

struct FakeQueueState {
    uint16_t size = 256;
    std::optional<uint16_t> position;

    bool operator==(const FakeQueueState&) const = default;
};

template <typename Archive>
void describe(Archive& archive, FakeQueueState& state) {
    archive(state.size, state.position);
}

// NOLINTNEXTLINE(*.Padding): kinds of fields that would fit less well are what it is for
struct FakeState {
    static constexpr uint32_t kMostQueues = 4;
    static constexpr uint32_t kMostInput = 64;
    static constexpr uint32_t kMostName = 8;
    static constexpr uint32_t kMostRegisters = 3;

    uint8_t line_control = 3;
    int32_t debt = -1;
    bool is_enabled = true;
    FakePhase phase = FakePhase::kReady;
    FakeLevel level = FakeLevel::kNone;
    std::array<uint16_t, 3> words{};
    std::array<std::byte, 5> bytes{};
    std::array<FakeQueueState, 2> both{};
    std::optional<uint32_t> deadline;
    std::optional<FakeQueueState> third;
    FakeQueueState queue;
    std::vector<FakeQueueState> queues;
    std::vector<uint32_t> numbers;
    std::vector<std::byte> input;
    std::string name;
    FakeRegisters registers;
    std::optional<FakeRegisters> more_registers;
    std::vector<FakeRegisters> list_of_registers;
    archive_types::Int128 owed = 0;
    archive_types::Uint128 gained = 0;
    uint16_t last = 7;

    bool operator==(const FakeState&) const = default;
};

template <typename Archive>
void describe(Archive& archive, FakeState& state) {
    archive(state.line_control, state.debt, state.is_enabled, state.phase, state.level);
    archive(state.words, state.bytes, state.both, state.deadline, state.third, state.queue);
    archive.bounded(state.queues, FakeState::kMostQueues);
    archive.bounded(state.numbers, FakeState::kMostQueues);
    archive.bounded(state.input, FakeState::kMostInput);
    archive.bounded(state.name, FakeState::kMostName);
    archive.raw(state.registers);
    archive.raw(state.more_registers);
    archive.raw(state.list_of_registers, FakeState::kMostRegisters);
    archive(state.owed, state.gained, state.last);
}

// Every field another than at first, and something in all that can be empty.
inline FakeState busy_state() {
    const FakeRegisters registers{.rax = 0x1122'3344'5566'7788, .flags = 0x202, .vector = 0x80};
    return {.line_control = 0x83,
            .debt = -70'000,
            .is_enabled = false,
            .phase = FakePhase::kFailed,
            .level = FakeLevel::kSome,
            .words = {1, 0xffff, 3},
            .bytes = {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}, std::byte{5}},
            .both = {FakeQueueState{.size = 1}, FakeQueueState{.size = 2, .position = 9}},
            .deadline = 0,
            .third = FakeQueueState{.size = 16},
            .queue = {.size = 4, .position = 0xffff},
            .queues = {{.size = 8, .position = 1}, {.size = 0}, {}},
            .numbers = {0xdead'beef, 1},
            .input = {std::byte{'h'}, std::byte{'i'}},
            .name = "net0",
            .registers = registers,
            .more_registers = registers,
            .list_of_registers = {registers, {}},
            .owed = -(archive_types::Int128{3} << 70) - 5,
            .gained = ~archive_types::Uint128{0} - 1,
            .last = 0xabcd};
}

// A state of a single field, of any release: what a snapshot is mostly made of in tests.
template <size_t kFields>
struct FakeNumbers {
    std::array<uint32_t, kFields> numbers{};

    bool operator==(const FakeNumbers&) const = default;
};

template <typename Archive, size_t kFields>
void describe(Archive& archive, FakeNumbers<kFields>& state) {
    for (uint32_t& number : state.numbers) archive(number);
}
