#include "monitor/channel/channel.hpp"

#include <algorithm>
#include <array>
#include <bit>

using channel::Frame;
using channel::FrameHeader;
using channel::FrameType;
using channel::kBurstBytes;

namespace {

constexpr unsigned kRegisterBytes = 4;
// Credit is given back a quarter at a time: a message is an exit or two.
constexpr uint32_t kCreditStep = channel::kInitialCredit / 4;

// Puts frames into the receive buffer.
class BurstWriter {
public:
    BurstWriter(const GuestMemory& memory, GuestAddress at) : memory_(memory), at_(at) {}

    size_t room() const {
        return kBurstBytes - size_ < sizeof(FrameHeader)
                   ? 0
                   : kBurstBytes - size_ - sizeof(FrameHeader);
    }
    size_t size() const { return size_; }

    // Precondition: payload.size() <= room(). The buffer is RAM, or the machine would not have been
    // built.
    void add(FrameType type, std::span<const std::byte> payload) {
        const FrameHeader header{type, static_cast<uint32_t>(payload.size())};
        put(std::as_bytes(std::span(&header, 1)));
        if (!payload.empty()) put(payload);
    }
    void add(FrameType type, uint32_t value) { add(type, std::as_bytes(std::span(&value, 1))); }

private:
    void put(std::span<const std::byte> bytes) {
        static_cast<void>(memory_.write_bytes(at_ + size_, bytes));
        size_ += bytes.size();
    }

    const GuestMemory& memory_;
    GuestAddress at_;
    size_t size_ = 0;
};

}  // namespace

Channel::Channel(GuestMemory memory, GuestAddress buffers, Serial& bell, ConsoleOutput& output,
                 ConsoleOutput& errors, const EventFd& wake)
    : memory_(memory),
      buffers_(buffers),
      bell_(bell),
      wake_(wake),
      burst_(std::make_unique_for_overwrite<std::byte[]>(kBurstBytes)),
      output_{output, FrameType::kStdoutCredit},
      errors_{errors, FrameType::kStderrCredit} {}

void Channel::in(uint16_t offset, std::span<std::byte> data, unsigned width) {
    std::ranges::fill(data, std::byte{0xff});
    if (width != kRegisterBytes) return;
    for (; data.size() >= width; data = data.subspan(width)) {
        uint32_t value = UINT32_MAX;
        if (offset == kBurst) {
            const std::lock_guard lock(mutex_);
            value = send();
        } else if (offset == kBuffers) {
            value = static_cast<uint32_t>(buffers_.value);
        }
        std::memcpy(data.data(), &value, sizeof value);
    }
}

void Channel::out(uint16_t offset, std::span<const std::byte> data, unsigned width) {
    if (width != kRegisterBytes || offset != kBurst) return;
    const std::lock_guard lock(mutex_);
    for (; data.size() >= width; data = data.subspan(width)) {
        uint32_t size = 0;
        std::memcpy(&size, data.data(), sizeof size);
        receive(std::min<size_t>(size, kBurstBytes));
    }
}

// The guest's bytes are copied once; its other processors may be writing to them.
void Channel::receive(size_t size) {
    std::span<std::byte> copy(burst_.get(), size);
    if (size == 0 || !memory_.read_bytes(buffers_, copy).ok()) return;
    std::span<const std::byte> burst = copy;
    while (const auto frame = channel::take_frame(burst)) take(*frame);
    ring_if_needed();
}

void Channel::take(const Frame& frame) {
    switch (frame.type) {
        case FrameType::kStdout:
        case FrameType::kStderr: {
            Outlet& outlet = frame.type == FrameType::kStdout ? output_ : errors_;
            outlet.sink.transmit(frame.payload);
            outlet.received += frame.payload.size();
            break;
        }
        case FrameType::kStdinCredit:
            input_credit_ += channel::number_in(frame).value_or(0);
            wake_.signal();
            break;
        default:
            break;  // nothing that a guest sends
    }
}

uint32_t Channel::send() {
    has_rung_ = false;
    BurstWriter burst(memory_, buffers_ + kBurstBytes);
    for (Outlet* const outlet : {&output_, &errors_}) {
        const uint32_t owed = outlet->owed();
        if (owed == 0) continue;
        burst.add(outlet->credit_type, owed);
        outlet->credited += owed;
    }
    for (; signals_ != 0; signals_ &= signals_ - 1)
        burst.add(FrameType::kSignal, static_cast<uint32_t>(std::countr_zero(signals_)));
    if (window_.has_value()) burst.add(FrameType::kWindowSize, *window_);
    window_.reset();
    const size_t count = std::min({input_.size(), burst.room()});
    if (count > 0) {
        burst.add(FrameType::kStdin, input_.first(count));
        input_ = input_.subspan(count);
        if (input_.empty()) wake_.signal();
    }
    if (input_ended_ && input_.empty() && burst.room() > 0) {
        burst.add(FrameType::kStdinEnd, std::span<const std::byte>{});
        input_ended_ = false;
    }
    ring_if_needed();
    return static_cast<uint32_t>(burst.size());
}

bool Channel::has_something_to_send() const {
    return output_.owed() >= kCreditStep || errors_.owed() >= kCreditStep || signals_ != 0 ||
           window_.has_value() || !input_.empty() || input_ended_;
}

void Channel::ring_if_needed() {
    if (has_rung_ || !has_something_to_send()) return;
    has_rung_ = true;
    constexpr std::array kRing = {std::byte{'!'}};
    bell_.receive(kRing);
}

size_t Channel::input_room() const {
    const std::lock_guard lock(mutex_);
    return input_.empty() ? static_cast<size_t>(std::min<uint64_t>(input_credit_, kBurstBytes)) : 0;
}

void Channel::offer_input(std::span<const std::byte> bytes) {
    const std::lock_guard lock(mutex_);
    input_ = bytes;
    input_credit_ -= bytes.size();
    ring_if_needed();
}

void Channel::end_input() {
    const std::lock_guard lock(mutex_);
    input_ended_ = true;
    ring_if_needed();
}

void Channel::output_moved() {
    const std::lock_guard lock(mutex_);
    ring_if_needed();
}

bool Channel::send_signal(int number) {
    const uint64_t bit = 1ULL << static_cast<unsigned>(number);
    const std::lock_guard lock(mutex_);
    if ((signals_ & bit) != 0) return false;
    signals_ |= bit;
    ring_if_needed();
    return true;
}

void Channel::set_window(uint16_t rows, uint16_t columns) {
    const std::lock_guard lock(mutex_);
    window_ = static_cast<uint32_t>(rows) << 16 | columns;
    ring_if_needed();
}
