// Init's end of the channel against a monitor that sends what it likes. The fuzz target is that
// monitor, in place of channel.cpp, and the program, whose stdin may be full or gone. Each input
// byte chooses a step.
//
// As long as the monitor keeps to the credit that it was given, the program reads its bytes, all of
// them and in order.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "rootfs/init/relay.hpp"

namespace {

constexpr size_t kCredit = 64 << 10;  // what a relay says at its start

// The monitor's side of one run.
struct Monitor {
    std::span<std::byte> buffers;
    std::string burst{};  // what the next IN fetches
    std::string sent{};   // to the program's stdin, and not yet read there
    uint64_t credit = kCredit;
    bool keeps_to_credit = true;
};
Monitor* monitor = nullptr;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

void check(bool holds) {
    if (!holds) std::abort();
}

// Keeps account of what a burst says, by another parser than the one that is tested.
void note_input(const std::string& burst) {
    for (size_t at = 0; burst.size() - at >= sizeof(FrameHeader);) {
        FrameHeader header{};
        std::memcpy(&header, &burst[at], sizeof header);
        at += sizeof header;
        if (header.length > burst.size() - at) return;
        if (header.type == FrameType::kStdin && header.stream == guest_abi::kFirstProgram) {
            monitor->keeps_to_credit &= header.length <= monitor->credit;
            monitor->credit -= header.length;
            monitor->sent.append(burst, at, header.length);
        }
        at += header.length;
    }
}

std::string stdin_frame(size_t size) {
    const FrameHeader header{FrameType::kStdin, guest_abi::kFirstProgram,
                             static_cast<uint32_t>(size)};
    std::string frame(sizeof header, '\0');
    std::memcpy(frame.data(), &header, sizeof header);
    static const std::string pattern = [] {
        std::string bytes(guest_abi::kBurstBytes, '\0');
        for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i % 251);
        return bytes;
    }();
    return frame.append(pattern, 0, size);
}

// The program reads what there is.
void read_input(int reader) {
    std::array<char, 4096> bytes{};
    for (;;) {
        const ssize_t count = ::read(reader, bytes.data(), bytes.size());
        if (count <= 0) return;
        if (!monitor->keeps_to_credit) continue;
        const auto size = static_cast<size_t>(count);
        check(monitor->sent.compare(0, size, bytes.data(), size) == 0);
        monitor->sent.erase(0, size);
    }
}

}  // namespace

bool Channel::open() {
    buffers_ = monitor->buffers.data();
    return true;
}

std::span<std::byte> Channel::payload() const {
    return std::span(buffers_, guest_abi::kBurstBytes).subspan(sizeof(FrameHeader));
}

void Channel::send(FrameType type, uint16_t stream, size_t payload_bytes) const {
    check(type == FrameType::kStdinCredit && stream == guest_abi::kFirstProgram);
    uint32_t more = 0;
    check(payload_bytes == sizeof more);
    std::memcpy(&more, payload().data(), sizeof more);
    monitor->credit += more;
}

void Channel::send_number(FrameType type, uint16_t stream, uint32_t value) const {
    std::memcpy(payload().data(), &value, sizeof value);
    send(type, stream, sizeof value);
}

void Channel::answer_doorbell() const {}

size_t Channel::fetch() {
    const std::string burst = std::exchange(monitor->burst, {});
    std::ranges::copy(std::as_bytes(std::span(burst)),
                      monitor->buffers.begin() + guest_abi::kBurstBytes);
    note_input(burst);
    return burst.size();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    ::signal(SIGPIPE, SIG_IGN);
    static std::vector<std::byte> buffers(2 * guest_abi::kBurstBytes);
    Monitor here{.buffers = buffers};
    monitor = &here;
    std::array<int, 2> input{};
    check(::pipe2(input.data(), O_CLOEXEC | O_NONBLOCK) == 0);
    Channel channel;
    channel.open();
    // No process has so high a number: signals reach nobody.
    const Program program{.pid = INT_MAX, .streams = {.input = input[1]}};
    Relay relay(channel, program, -1);
    std::span<const uint8_t> bytes(data, size);
    while (!bytes.empty()) {
        const uint8_t step = bytes.front();
        const size_t much = step / 4;
        bytes = bytes.subspan(1);
        const size_t room = guest_abi::kBurstBytes - here.burst.size();
        switch (step % 4) {
            case 0: {
                const auto some = bytes.first(std::min(much, bytes.size()));
                bytes = bytes.subspan(some.size());
                here.burst.append(some.begin(), some.begin() + static_cast<ptrdiff_t>(
                                                                   std::min(some.size(), room)));
                break;
            }
            case 1:
                here.burst.append(stdin_frame(much * 512), 0, room);
                break;
            case 2:
                relay.receive();
                break;
            default:
                if (much > 0)
                    read_input(input[0]);
                else
                    ::close(std::exchange(input[0], -1));
        }
    }
    relay.receive();
    read_input(input[0]);
    ::close(input[0]);
    ::close(input[1]);  // if the relay has not
    return 0;
}
