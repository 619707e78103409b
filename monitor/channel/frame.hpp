// The wire format of the channel (ARCHITECTURE.md, "The channel"): frames of a type, a length and a
// payload, one or more to a burst. All numbers are little-endian.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

namespace channel {

constexpr size_t kBurstBytes = 64 << 10;  // either buffer, and the most that is exchanged at once
constexpr uint32_t kInitialCredit = 256 << 10;  // bytes of stdout, and of stderr, before any credit

enum class FrameType : uint32_t {
    // From the guest.
    kStdout = 1,
    kStderr = 2,
    kStdinCredit = 3,  // uint32_t: so many more bytes of stdin will be taken
    // To the guest.
    kStdin = 16,
    kStdinEnd = 17,      // empty
    kStdoutCredit = 18,  // uint32_t
    kStderrCredit = 19,  // uint32_t
    kSignal = 20,        // uint32_t: a signal's number on x86 Linux
    kWindowSize = 21,    // uint32_t: rows << 16 | columns
};

struct FrameHeader {
    FrameType type;
    uint32_t length;  // of the payload that follows, in bytes
};
static_assert(sizeof(FrameHeader) == 8);

struct Frame {
    FrameType type{};
    std::span<const std::byte> payload;
};

// Takes the first frame off the front of `burst`. None at its end, and at a frame that is cut
// short: what follows that is no frame either.
inline std::optional<Frame> take_frame(std::span<const std::byte>& burst) {
    FrameHeader header{};
    if (burst.size() < sizeof header) return std::nullopt;
    std::memcpy(&header, burst.data(), sizeof header);
    burst = burst.subspan(sizeof header);
    if (header.length > burst.size()) return std::nullopt;
    const Frame frame{header.type, burst.first(header.length)};
    burst = burst.subspan(header.length);
    return frame;
}

// The number that is a frame's payload; none where that is not four bytes.
inline std::optional<uint32_t> number_in(const Frame& frame) {
    uint32_t value = 0;
    if (frame.payload.size() != sizeof value) return std::nullopt;
    std::memcpy(&value, frame.payload.data(), sizeof value);
    return value;
}

}  // namespace channel
