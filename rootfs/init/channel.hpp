// The guest's end of the channel that carries the program's streams, apart from the console:
// ARCHITECTURE.md, "The channel". A burst is one or more frames, exchanged by one port access
// through two buffers in reserved memory; the second serial port only says, by a byte, that there
// is something to fetch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "rootfs/channel_frame.hpp"

using channel::FrameType;

class Channel {
public:
    // Takes the ports and maps the buffers. False where this machine has no channel: then the
    // program has the console.
    bool open();
    bool is_open() const { return buffers_ != nullptr; }

    // Readable when the monitor has something; -1 where the kernel has no driver for the port.
    int doorbell() const { return doorbell_; }

    // Where the payload of the next frame is put together, channel::kMostPayloadBytes of it.
    std::span<std::byte> payload() const;
    // Sends that frame.
    void send(FrameType type, size_t payload_bytes) const;
    // A frame whose payload is a number.
    void send_number(FrameType type, uint32_t value) const;

    // Fetches what the monitor has and calls `take(FrameType, std::span<const std::byte>)` for each
    // frame.
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
        std::span<const std::byte> burst(buffers_ + channel::kBurstBytes, size);
        while (burst.size() >= channel::kHeaderBytes) {
            uint32_t header[2];  // type, payload's size
            __builtin_memcpy(header, burst.data(), channel::kHeaderBytes);
            burst = burst.subspan(channel::kHeaderBytes);
            if (header[1] > burst.size()) break;
            take(static_cast<FrameType>(header[0]), burst.first(header[1]));
            burst = burst.subspan(header[1]);
        }
    }
}

// The 32 bits of a credit, a signal or a window's size; 0 where the payload is too short.
inline uint32_t frame_value(std::span<const std::byte> payload) {
    uint32_t value = 0;
    if (payload.size() >= sizeof value) __builtin_memcpy(&value, payload.data(), sizeof value);
    return value;
}
