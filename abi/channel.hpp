// The wire format of the channel (docs/channel.md): bursts of frames, which both
// sides read by the FrameReader below. All numbers are little-endian.
#pragma once

#include <cstddef>
#include <cstdint>

namespace guest_abi {

constexpr size_t kBurstBytes = 64 << 10;  // either buffer, and the most that is exchanged at once
constexpr uint32_t kInitialCredit = 256 << 10;  // bytes of stdout, and of stderr, of each stream

// A stream is what belongs to one program: its input, its two outputs, its signals, and the credit
// for each. So far a guest has the one that it was started for.
constexpr uint16_t kFirstProgram = 0;

enum class FrameType : uint16_t {
    // From the guest.
    kStdout = 1,
    kStderr = 2,
    kStdinCredit = 3,  // uint32_t: so many more bytes of stdin will be taken
    kHello = 4,        // uint32_t: the guest's kVersion. Its first frame, of stream kFirstProgram
    // From the monitor.
    kStdin = 16,
    kStdinEnd = 17,      // empty
    kStdoutCredit = 18,  // uint32_t
    kStderrCredit = 19,  // uint32_t
    kSignal = 20,        // uint32_t: a signal's number on x86 Linux
    kWindowSize = 21,    // uint32_t: rows << 16 | columns
    kStdoutGone = 22,    // empty: nothing takes it any more; whoever writes to it is to learn that
    kStderrGone = 23,    // the same
};

struct FrameHeader {
    FrameType type;
    uint16_t stream;
    uint32_t length;  // of the payload that follows, in bytes
};
static_assert(sizeof(FrameHeader) == 8);
static_assert(offsetof(FrameHeader, type) == 0);
static_assert(offsetof(FrameHeader, stream) == 2);
static_assert(offsetof(FrameHeader, length) == 4);

constexpr size_t kMostPayloadBytes = kBurstBytes - sizeof(FrameHeader);

struct Frame {
    FrameType type;
    uint16_t stream;
    const unsigned char* payload;
    size_t size;  // of the payload, in bytes

    // The number that a payload begins with; 0 where it is too short for one.
    uint32_t number() const {
        uint32_t value = 0;
        if (size >= sizeof value) __builtin_memcpy(&value, payload, sizeof value);
        return value;
    }
};

// Takes a burst apart. The bytes stay where they are; each header is read once.
class FrameReader {
public:
    FrameReader(const void* burst, size_t size)
        : at_(static_cast<const unsigned char*>(burst)), left_(size) {}

    // The next frame. False at the end, and at a frame that is cut short: what follows that is no
    // frame either.
    bool next(Frame& frame) {
        FrameHeader header{};
        if (left_ < sizeof header) return false;
        __builtin_memcpy(&header, at_, sizeof header);
        if (header.length > left_ - sizeof header) {
            left_ = 0;
            return false;
        }
        frame = {header.type, header.stream, at_ + sizeof header, header.length};
        at_ += sizeof header + header.length;
        left_ -= sizeof header + header.length;
        return true;
    }

private:
    const unsigned char* at_;
    size_t left_;
};

}  // namespace guest_abi
