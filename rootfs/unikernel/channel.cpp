#include "rootfs/unikernel/channel.hpp"

#include "rootfs/unikernel/instructions.hpp"
#include "rootfs/unikernel/platform.hpp"

using channel::FrameType;
using channel::kHeaderBytes;

bool Channel::open() {
    const uint32_t address = in32(platform::kChannelBuffersPort);
    if (address == channel::kNobody) return false;
    buffers_ = address;
    return true;
}

View<char> Channel::payload() const {
    // Memory is identity-mapped.
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast,performance-no-int-to-ptr)
    return {reinterpret_cast<char*>(buffers_ + kHeaderBytes), channel::kMostPayloadBytes};
}

void Channel::transmit(FrameType type, uint64_t bytes) const {
    store32(buffers_, static_cast<uint32_t>(type));
    store32(buffers_ + 4, static_cast<uint32_t>(bytes));
    out32(platform::kChannelPort, static_cast<uint32_t>(kHeaderBytes + bytes));
}

void Channel::send(uint64_t bytes) {
    while (credit_ < bytes) fetch();
    credit_ -= bytes;
    transmit(FrameType::kStdout, bytes);
}

void Channel::complain(StringView text) const {
    const View<char> to = payload();
    for (size_t i = 0; i < text.size(); ++i) to[i] = text[i];
    transmit(FrameType::kStderr, text.size());
}

void Channel::fetch() {
    const uint64_t size = in32(platform::kChannelPort);
    uint64_t at = buffers_ + channel::kBurstBytes;
    const uint64_t end = at + size;
    while (end - at >= kHeaderBytes) {
        const auto type = static_cast<FrameType>(load32(at));
        const uint32_t length = load32(at + 4);
        at += kHeaderBytes;
        if (type == FrameType::kStdoutCredit) credit_ += load32(at);
        if (type == FrameType::kStdinEnd) input_ended_ = true;
        if (type == FrameType::kStdin) keep_input(at, length);
        at += length;
    }
}

void Channel::keep_input(uint64_t from, uint64_t bytes) {
    copy_bytes(platform::kFreeMemory + kept_, from, bytes);
    kept_ += bytes;
    input_credit_ -= bytes;
}

void Channel::grant_input() {
    returned_ = kept_ = 0;
    const uint64_t more = channel::kBurstBytes - input_credit_;
    if (more < channel::kBurstBytes / 2) return;
    input_credit_ += more;
    store32(buffers_ + kHeaderBytes, static_cast<uint32_t>(more));
    transmit(FrameType::kStdinCredit, sizeof(uint32_t));
}

StringView Channel::receive() {
    if (returned_ == kept_) grant_input();
    while (returned_ == kept_ && !input_ended_) fetch();
    const uint64_t at = platform::kFreeMemory + returned_;
    const uint64_t size = kept_ - returned_;
    returned_ = kept_;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast,performance-no-int-to-ptr)
    return {reinterpret_cast<const char*>(at), size};
}
