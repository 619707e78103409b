// For tests: a channel, what is on its two sides, and words between them.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <gtest/gtest.h>
#include <string>
#include <string_view>
#include <vector>

#include "abi/version.hpp"
#include "monitor/channel/channel.hpp"
#include "monitor/console/tail.hpp"

namespace channel_sides {

using guest_abi::FrameHeader;
using guest_abi::FrameType;
using guest_abi::kBurstBytes;
using guest_abi::kFirstProgram;

constexpr GuestAddress kBuffers{0x1000};

struct Pipe {
    Pipe() {
        std::array<int, 2> ends{};
        EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
        reader = UniqueFd(ends[0]);
        writer = UniqueFd(ends[1]);
    }
    std::string take() const {
        std::string text(1 << 20, '\0');
        const ssize_t count = ::read(reader.get(), text.data(), text.size());
        text.resize(count < 0 ? 0 : static_cast<size_t>(count));
        return text;
    }
    UniqueFd reader;
    UniqueFd writer;
};

struct ReceivedFrame {
    FrameType type{};
    uint16_t stream = 0;
    std::string payload;

    uint32_t number() const {
        uint32_t value = 0;
        EXPECT_EQ(payload.size(), sizeof value);
        std::memcpy(&value, payload.data(), std::min(sizeof value, payload.size()));
        return value;
    }
};

// A channel from both its sides: the guest, with its frames and what its serial port tells it, and
// whoever reads its outputs.
class ChannelSides : protected ControlListener {
public:
    explicit ChannelSides(const ChannelState& state = {}, const SerialState& bell = {})
        : bell_(nowhere_, interrupt_, room_, bell),
          channel_(GuestMemory(ram_), kBuffers, bell_, output_, errors_, wake_, *this, state) {}

    void say_hello() {
        constexpr std::array kDataReady = {std::byte{1}};
        bell_.out(1, kDataReady, 1);  // IER.ERBFI
        send_burst(frame(FrameType::kHello, guest_abi::kVersion));
    }
    void send_burst(std::string_view burst) {
        std::memcpy(&ram_[kBuffers.value], burst.data(), burst.size());
        out32(Channel::kBurst, static_cast<uint32_t>(burst.size()));
    }
    static std::string frame(FrameType type, std::string_view payload,
                             uint16_t stream = kFirstProgram) {
        const FrameHeader header{type, stream, static_cast<uint32_t>(payload.size())};
        std::string bytes(sizeof header, '\0');
        std::memcpy(bytes.data(), &header, sizeof header);
        return bytes.append(payload);
    }
    static std::string frame(FrameType type, uint32_t number, uint16_t stream = kFirstProgram) {
        std::string payload(sizeof number, '\0');
        std::memcpy(payload.data(), &number, sizeof number);
        return frame(type, payload, stream);
    }
    void out32(uint16_t offset, uint32_t value) {
        channel_.out(offset, std::as_bytes(std::span(&value, 1)), 4);
    }
    uint32_t in32(uint16_t offset) {
        uint32_t value = 0;
        channel_.in(offset, std::as_writable_bytes(std::span(&value, 1)), 4);
        return value;
    }
    std::vector<ReceivedFrame> fetch() {
        const uint32_t size = in32(Channel::kBurst);
        EXPECT_LE(size, kBurstBytes);
        guest_abi::FrameReader burst(&ram_[kBuffers.value + kBurstBytes], size);
        std::vector<ReceivedFrame> frames;
        size_t bytes = 0;
        for (guest_abi::Frame frame{}; burst.next(frame);) {
            std::string payload(frame.size, '\0');
            std::memcpy(payload.data(), frame.payload, payload.size());
            frames.push_back({frame.type, frame.stream, std::move(payload)});
            bytes += sizeof(FrameHeader) + frame.size;
        }
        EXPECT_EQ(bytes, size);
        return frames;
    }
    // Reads the bell's port as a driver does: how often it has rung.
    int rings() {
        constexpr uint16_t kLsr = 5;
        int count = 0;
        for (;;) {
            std::array<std::byte, 1> value{};
            bell_.in(kLsr, value, 1);
            if ((value[0] & std::byte{1}) == std::byte{0}) return count;
            bell_.in(0, value, 1);
            ++count;
        }
    }
    // ControlListener
    void guest_ended(GuestEnd how, uint32_t status) override {
        EXPECT_EQ(how, GuestEnd::kVersion);
        refused_.push_back(status);
    }
    static std::span<const std::byte> bytes(std::string_view text) {
        return std::as_bytes(std::span(text));
    }

    std::vector<uint32_t> refused_;  // the versions
    std::vector<std::byte> ram_ = std::vector<std::byte>(kBuffers.value + 2 * kBurstBytes);
    Pipe stdout_;
    Pipe stderr_;
    Timeline timeline_;
    EventFd interrupt_ = EventFd::create().value();
    EventFd room_ = EventFd::create().value();
    EventFd queued_ = EventFd::create().value();
    EventFd wake_ = EventFd::create().value();
    ConsoleTail nowhere_;
    Serial bell_;
    ConsoleOutput output_{stdout_.writer.get(), queued_, timeline_};
    ConsoleOutput errors_{stderr_.writer.get(), queued_, timeline_};
    Channel channel_;
};

}  // namespace channel_sides
