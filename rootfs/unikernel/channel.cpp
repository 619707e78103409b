#include "rootfs/unikernel/channel.hpp"

#include "abi/machine.hpp"
#include "rootfs/unikernel/instructions.hpp"
#include "rootfs/unikernel/platform.hpp"

using guest_abi::Frame;
using guest_abi::FrameHeader;
using guest_abi::FrameType;

namespace {

// Memory is identity-mapped.
char* at(uint64_t address) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast,performance-no-int-to-ptr)
    return reinterpret_cast<char*>(address);
}

}  // namespace

bool Channel::open(uint32_t version) {
    const uint32_t address = in32(guest_abi::kChannelBuffersPort);
    if (address == guest_abi::kNobody) return false;
    buffers_ = address;
    if (version != 0) {
        store32(buffers_ + sizeof(FrameHeader), version);
        transmit(FrameType::kHello, sizeof version);
    }
    return true;
}

View<char> Channel::payload() const {
    return {at(buffers_ + sizeof(FrameHeader)), guest_abi::kMostPayloadBytes};
}

void Channel::transmit(FrameType type, uint64_t bytes) const {
    const FrameHeader header{type, guest_abi::kFirstProgram, static_cast<uint32_t>(bytes)};
    __builtin_memcpy(at(buffers_), &header, sizeof header);
    out32(guest_abi::kChannelPort, static_cast<uint32_t>(sizeof header + bytes));
}

bool Channel::send(uint64_t bytes) {
    while (credit_ < bytes && !output_is_gone_) fetch();
    if (output_is_gone_) return false;
    credit_ -= bytes;
    transmit(FrameType::kStdout, bytes);
    return true;
}

void Channel::complain(StringView text) const {
    const View<char> to = payload();
    for (size_t i = 0; i < text.size(); ++i) to[i] = text[i];
    transmit(FrameType::kStderr, text.size());
}

void Channel::fetch() {
    const uint64_t size = in32(guest_abi::kChannelPort);
    guest_abi::FrameReader burst(at(buffers_ + guest_abi::kBurstBytes), size);
    for (Frame frame{}; burst.next(frame);)
        if (frame.stream == guest_abi::kFirstProgram) take(frame);
}

void Channel::take(const Frame& frame) {
    if (frame.type == FrameType::kStdoutCredit) credit_ += frame.number();
    if (frame.type == FrameType::kStdoutGone) output_is_gone_ = true;
    if (frame.type == FrameType::kStdinEnd) input_ended_ = true;
    if (frame.type == FrameType::kStdin) keep_input(frame);
}

void Channel::keep_input(const Frame& frame) {
    __builtin_memcpy(at(platform::kFreeMemory + kept_), frame.payload, frame.size);
    kept_ += frame.size;
    input_credit_ -= frame.size;
}

void Channel::grant_input() {
    returned_ = kept_ = 0;
    const uint64_t more = guest_abi::kBurstBytes - input_credit_;
    if (more < guest_abi::kBurstBytes / 2) return;
    input_credit_ += more;
    store32(buffers_ + sizeof(FrameHeader), static_cast<uint32_t>(more));
    transmit(FrameType::kStdinCredit, sizeof(uint32_t));
}

StringView Channel::receive() {
    if (returned_ == kept_) grant_input();
    while (returned_ == kept_ && !input_ended_) fetch();
    const StringView input{at(platform::kFreeMemory + returned_), kept_ - returned_};
    returned_ = kept_;
    return input;
}
