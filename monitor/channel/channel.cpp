#include "monitor/channel/channel.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "abi/version.hpp"

using guest_abi::Frame;
using guest_abi::FrameHeader;
using guest_abi::FrameType;
using guest_abi::kBurstBytes;

namespace {

constexpr unsigned kRegisterBytes = 4;
// Credit is given back a quarter at a time: a message is an exit or two.
constexpr uint32_t kCreditStep = guest_abi::kInitialCredit / 4;

// Puts frames of one stream into the receive buffer.
class BurstWriter {
public:
    BurstWriter(const GuestMemory& memory, GuestAddress at, uint16_t stream)
        : memory_(memory), at_(at), stream_(stream) {}

    size_t room() const {
        return kBurstBytes - size_ < sizeof(FrameHeader)
                   ? 0
                   : kBurstBytes - size_ - sizeof(FrameHeader);
    }
    size_t size() const { return size_; }

    // Precondition: payload.size() <= room(). The buffer is RAM, or the machine would not have been
    // built.
    void add(FrameType type, std::span<const std::byte> payload) {
        const FrameHeader header{type, stream_, static_cast<uint32_t>(payload.size())};
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
    uint16_t stream_;
    size_t size_ = 0;
};

}  // namespace

Channel::Channel(GuestMemory memory, GuestAddress buffers, Serial& bell, ConsoleOutput& output,
                 ConsoleOutput& errors, const EventFd& wake, ControlListener& listener,
                 const ChannelState& state)
    : memory_(memory),
      buffers_(buffers),
      bell_(bell),
      wake_(wake),
      listener_(listener),
      burst_(std::make_unique_for_overwrite<std::byte[]>(kBurstBytes)),
      agreement_(state.version.has_value() ? Agreement::kReached : Agreement::kNone),
      first_{.stream = guest_abi::kFirstProgram,
             .output = {output, FrameType::kStdoutCredit, FrameType::kStdoutGone, state.output.owed,
                        0, state.output.is_said_gone},
             .errors = {errors, FrameType::kStderrCredit, FrameType::kStderrGone, state.errors.owed,
                        0, state.errors.is_said_gone},
             .input_credit = state.input_credit,
             .input_end = state.input_end,
             .signals = state.signals,
             .window = state.window},
      has_rung_(state.has_rung) {
    // For what still waited for a reader the guest has credit only now.
    ring_if_needed();
}

Result<> Channel::check(const ChannelState& state) {
    if (state.version.has_value() && *state.version != guest_abi::kVersion)
        return Error{"channel: version", 0, "of the guest is not this Mayfly's", *state.version};
    if (state.input.size() > ChannelState::kMostInputBytes)
        return Error{"channel: bytes of stdin", 0, "are more than are read at once",
                     state.input.size()};
    if (state.input.size() > state.input_credit)
        return Error{"channel: credit for stdin", 0, "is less than what is sent by it",
                     state.input_credit};
    if (state.input_end > InputEnd::kSaid)
        return Error{"channel: end of stdin", 0, "is none of open, due and said",
                     static_cast<uint64_t>(state.input_end)};
    if ((state.signals & 1) != 0) return Error{"channel: signals", 0, "have one of number 0"};
    return Ok{};
}

ChannelState Channel::save() const {
    const std::lock_guard lock(mutex_);
    ChannelState state{
        .version = {},
        .output = first_.output.save(),
        .errors = first_.errors.save(),
        .input_credit = first_.input_credit + first_.input.size(),
        .input = {first_.input.begin(), first_.input.end()},
        .input_end = first_.input_end,
        .signals = first_.signals,
        .window = first_.window,
        .has_rung = has_rung_,
    };
    if (agreement_ == Agreement::kReached) state.version = guest_abi::kVersion;
    return state;
}

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
    if (agreement_ == Agreement::kRefused) return;
    const std::span<std::byte> copy(burst_.get(), size);
    if (size == 0 || !memory_.read_bytes(buffers_, copy).ok()) return;
    guest_abi::FrameReader burst(copy.data(), copy.size());
    for (Frame frame{}; agreement_ != Agreement::kRefused && burst.next(frame);) take(frame);
    transmit_gathered();
    if (std::exchange(has_more_credit_, false)) wake_.signal();
    ring_if_needed();
}

void Channel::gather(Outlet& outlet, const Frame& frame) {
    if (frame.size == 0) return;
    const auto payload = std::as_bytes(std::span(frame.payload, frame.size));
    if (gathering_ != &outlet) {
        transmit_gathered();
        gathering_ = &outlet;
        gathered_ = {burst_.get() + (payload.data() - burst_.get()), payload.size()};
        return;
    }
    // Over this frame's header and what has been read before it.
    std::memmove(gathered_.data() + gathered_.size(), payload.data(), payload.size());
    gathered_ = {gathered_.data(), gathered_.size() + payload.size()};
}

void Channel::transmit_gathered() {
    if (gathering_ == nullptr) return;
    gathering_->sink.transmit(gathered_);
    gathering_->received += gathered_.size();
    gathering_ = nullptr;
    gathered_ = {};
}

// The first frame decides, and so does each that says a version again.
void Channel::take_version(const Frame& frame) {
    const bool is_hello =
        frame.type == FrameType::kHello && frame.stream == guest_abi::kFirstProgram;
    const uint32_t version = is_hello ? frame.number() : 0;
    agreement_ = version == guest_abi::kVersion ? Agreement::kReached : Agreement::kRefused;
    if (agreement_ == Agreement::kRefused) listener_.guest_ended(GuestEnd::kVersion, version);
}

Channel::Program* Channel::program_of(uint16_t stream) {
    return stream == first_.stream ? &first_ : nullptr;
}

void Channel::take(const Frame& frame) {
    if (agreement_ == Agreement::kNone || frame.type == FrameType::kHello) {
        take_version(frame);
        return;
    }
    Program* const program = program_of(frame.stream);
    if (program == nullptr) {
        ++passed_over_;
        return;
    }
    switch (frame.type) {
        case FrameType::kStdout:
            gather(program->output, frame);
            break;
        case FrameType::kStderr:
            gather(program->errors, frame);
            break;
        case FrameType::kStdinCredit:
            program->input_credit += frame.number();
            has_more_credit_ |= frame.number() != 0;
            break;
        default:
            ++passed_over_;  // nothing that a guest sends
    }
}

uint32_t Channel::send() {
    has_rung_ = false;
    BurstWriter burst(memory_, buffers_ + kBurstBytes, first_.stream);
    for (Outlet* const outlet : {&first_.output, &first_.errors}) {
        if (outlet->has_gone()) {
            burst.add(outlet->gone_type, std::span<const std::byte>{});
            outlet->is_gone = true;
        }
        const uint32_t owed = outlet->owed();
        if (owed == 0) continue;
        burst.add(outlet->credit_type, owed);
        outlet->credited += owed;
    }
    for (; first_.signals != 0; first_.signals &= first_.signals - 1)
        burst.add(FrameType::kSignal, static_cast<uint32_t>(std::countr_zero(first_.signals)));
    if (first_.window.has_value()) burst.add(FrameType::kWindowSize, *first_.window);
    first_.window.reset();
    const size_t count = std::min({first_.input.size(), burst.room()});
    if (count > 0) {
        burst.add(FrameType::kStdin, first_.input.first(count));
        first_.input = first_.input.subspan(count);
        if (first_.input.empty()) wake_.signal();
    }
    if (first_.input_end == InputEnd::kDue && first_.input.empty() && burst.room() > 0) {
        burst.add(FrameType::kStdinEnd, std::span<const std::byte>{});
        first_.input_end = InputEnd::kSaid;
    }
    ring_if_needed();
    return static_cast<uint32_t>(burst.size());
}

bool Channel::has_something_to_send() const {
    return first_.output.owed() >= kCreditStep || first_.errors.owed() >= kCreditStep ||
           first_.output.has_gone() || first_.errors.has_gone() || first_.signals != 0 ||
           first_.window.has_value() || !first_.input.empty() || first_.input_end == InputEnd::kDue;
}

void Channel::ring_if_needed() {
    if (has_rung_ || !has_something_to_send()) return;
    has_rung_ = true;
    constexpr std::array kRing = {std::byte{'!'}};
    bell_.receive(kRing);
}

uint64_t Channel::passed_over_frames() const {
    const std::lock_guard lock(mutex_);
    return passed_over_;
}

size_t Channel::input_room() const {
    const std::lock_guard lock(mutex_);
    return first_.input.empty()
               ? static_cast<size_t>(std::min<uint64_t>(first_.input_credit, kBurstBytes))
               : 0;
}

void Channel::offer_input(std::span<const std::byte> bytes) {
    const std::lock_guard lock(mutex_);
    first_.input = bytes;
    first_.input_credit -= bytes.size();
    ring_if_needed();
}

void Channel::end_input() {
    const std::lock_guard lock(mutex_);
    first_.input_end = InputEnd::kDue;
    ring_if_needed();
}

void Channel::output_moved() {
    const std::lock_guard lock(mutex_);
    ring_if_needed();
}

std::unique_lock<std::mutex> Channel::lock_in_time() {
    constexpr int kAttempts = 100;
    constexpr int kPauseMs = 10;
    std::unique_lock lock(mutex_, std::try_to_lock);
    for (int i = 0; !lock.owns_lock() && i < kAttempts; ++i) {
        ::poll(nullptr, 0, kPauseMs);  // main's filter has no other sleep
        static_cast<void>(lock.try_lock());
    }
    return lock;
}

bool Channel::send_signal(int number) {
    const uint64_t bit = 1ULL << static_cast<unsigned>(number);
    const auto lock = lock_in_time();
    if (!lock.owns_lock()) return false;
    if ((first_.signals & bit) != 0) return false;
    first_.signals |= bit;
    ring_if_needed();
    return true;
}

void Channel::set_window(uint16_t rows, uint16_t columns) {
    const auto lock = lock_in_time();
    if (!lock.owns_lock()) return;
    first_.window = static_cast<uint32_t>(rows) << 16 | columns;
    ring_if_needed();
}
