// The guest's end of the channel that carries the program's streams, apart from the console:
// docs/channel.md. A burst is one or more frames, exchanged by one port access
// through two buffers in reserved memory; the second serial port only says, by a byte, that there
// is something to fetch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "abi/channel.hpp"

using guest_abi::Frame;
using guest_abi::FrameHeader;
using guest_abi::FrameType;

class Channel {
public:
    // Takes the ports, maps the buffers and says our version; a monitor of another one then ends
    // the VM. False where this machine has no channel: then the program has the console.
    bool open();
    bool is_open() const { return buffers_ != nullptr; }

    // Readable when the monitor has something; -1 where the kernel has no driver for the port.
    int doorbell() const { return doorbell_; }

    // Where the payload of the next frame is put together, guest_abi::kMostPayloadBytes of it.
    std::span<std::byte> payload() const;
    // Sends that frame.
    void send(FrameType type, uint16_t stream, size_t payload_bytes) const;
    // A frame whose payload is a number.
    void send_number(FrameType type, uint16_t stream, uint32_t value) const;

    // Fetches what the monitor has and calls `take(const Frame&)` for each frame.
    template <typename Take>
    void receive(Take take) const;

private:
    void answer_doorbell() const;
    // Lets the monitor fill the receive buffer; how many bytes it put there.
    static size_t fetch();

    std::byte* buffers_ = nullptr;  // the transmit buffer, then the receive buffer
    int doorbell_ = -1;
};

template <typename Take>
void Channel::receive(Take take) const {
    answer_doorbell();
    while (const size_t size = fetch()) {
        guest_abi::FrameReader burst(buffers_ + guest_abi::kBurstBytes, size);
        for (Frame frame{}; burst.next(frame);) take(frame);
    }
}
