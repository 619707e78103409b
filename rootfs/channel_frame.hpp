// The channel as guests see it (ARCHITECTURE.md, "The channel"): what both of ours, the unikernel
// and the init, say and understand. The monitor has its own page of it, monitor/channel/frame.hpp:
// it is another program.
#pragma once

#include <cstddef>
#include <cstdint>

namespace channel {

constexpr size_t kBurstBytes = 64 << 10;  // either buffer
constexpr size_t kHeaderBytes = 8;        // type and payload's length, 32 bits each
constexpr size_t kMostPayloadBytes = kBurstBytes - kHeaderBytes;
constexpr uint32_t kInitialCredit = 256 << 10;  // of stdout, and of stderr
constexpr uint32_t kNobody = 0xffffffff;        // an IN from a port that nobody answers

enum class FrameType : uint32_t {
    // To the monitor.
    kStdout = 1,
    kStderr = 2,
    kStdinCredit = 3,
    // From the monitor.
    kStdin = 16,
    kStdinEnd = 17,
    kStdoutCredit = 18,
    kStderrCredit = 19,
    kSignal = 20,
    kWindowSize = 21,
};

}  // namespace channel
