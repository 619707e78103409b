// What a snapshot keeps of the ways between the guest and stdin and stdout, as plain values. As
// constructed, each is the state in which a VM starts.
//
// Input that was taken from the host and not yet read by the guest is in it. Output is not: what
// the guest has written is its own no more, and what of it still waits for a reader goes on its
// way from the process that was asked for the snapshot. So neither is lost or there twice.
//
// Not kept, since they are the host's: escape keys half typed, a limiter's level, the end of the
// console that nobody sees (ConsoleTail), what was counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "abi/channel.hpp"
#include "monitor/ports/state.hpp"

// Of SerialConsole.
struct SerialConsoleState {
    static constexpr size_t kMostInputBytes = 4096;

    SerialState port;
    std::vector<std::byte> input;  // had no room in the port's queue; at most kMostInputBytes

    bool operator==(const SerialConsoleState&) const = default;
};

// What the guest has been told of stdin's end.
enum class InputEnd : uint8_t {
    kOpen = 0,  // there is none yet
    kDue = 1,   // that it has come is yet to be fetched
    kSaid = 2,
};

// Of Channel. It is here and not in that room because Stdio, which is below it, hands it out.
struct ChannelState {
    static constexpr size_t kMostInputBytes = guest_abi::kBurstBytes;

    // Of stdout or stderr.
    struct Output {
        uint64_t owed = 0;          // bytes that the guest sent and has no credit back for
        bool is_said_gone = false;  // the guest knows that nobody takes it

        bool operator==(const Output&) const = default;
    };

    std::optional<uint32_t> version;  // of abi/, as the guest said it; none: it has said nothing
    Output output;
    Output errors;
    uint64_t input_credit = 0;     // bytes of stdin that the guest will take, `input` included
    std::vector<std::byte> input;  // not yet fetched; at most kMostInputBytes
    InputEnd input_end = InputEnd::kOpen;  // behind `input`
    uint64_t signals = 0;                  // not yet fetched; bit n: signal n
    std::optional<uint32_t> window;        // the same; rows << 16 | columns
    bool has_rung = false;                 // since the guest last fetched

    bool operator==(const ChannelState&) const = default;
};

// Of ChannelStdio.
struct ChannelStdioState {
    SerialState console;  // COM1, whose output nobody sees
    SerialState bell;     // COM2
    ChannelState channel;

    bool operator==(const ChannelStdioState&) const = default;
};

// One of the two, as the VM has it.
struct StdioState {
    std::optional<SerialConsoleState> serial;
    std::optional<ChannelStdioState> channel;

    bool operator==(const StdioState&) const = default;
};
