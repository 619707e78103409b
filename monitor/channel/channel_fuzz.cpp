// The monitor's end of the channel against a guest that writes what it likes into the buffers and
// the ports, while the user's side offers input, signals and room. Each input byte chooses a step.
// A guest that is refused is not heard any more. One that is not may be saved, and goes on in
// another channel.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <vector>

#include "abi/version.hpp"
#include "monitor/channel/channel.hpp"
#include "monitor/console/tail.hpp"

namespace {

constexpr GuestAddress kBuffers{0x1000};

class Bytes {
public:
    explicit Bytes(std::span<const uint8_t> bytes) : bytes_(bytes) {}
    bool empty() const { return bytes_.empty(); }
    uint8_t take() {
        if (bytes_.empty()) return 0;
        const uint8_t byte = bytes_.front();
        bytes_ = bytes_.subspan(1);
        return byte;
    }
    uint32_t take32() {
        uint32_t value = 0;
        for (int i = 0; i < 4; ++i) value = value << 8 | take();
        return value;
    }
    std::span<const uint8_t> take(size_t count) {
        const auto taken = bytes_.first(std::min(count, bytes_.size()));
        bytes_ = bytes_.subspan(taken.size());
        return taken;
    }

private:
    std::span<const uint8_t> bytes_;
};

void check(bool holds) {
    if (!holds) std::abort();
}

// What the guest fetched consists of whole frames, none of a kind that only it sends.
void check_burst(std::span<const std::byte> burst) {
    guest_abi::FrameReader reader(burst.data(), burst.size());
    size_t bytes = 0;
    for (guest_abi::Frame frame{}; reader.next(frame);) {
        check(frame.type >= guest_abi::FrameType::kStdin &&
              frame.type <= guest_abi::FrameType::kStderrGone);
        check(frame.stream == guest_abi::kFirstProgram);
        bytes += sizeof(guest_abi::FrameHeader) + frame.size;
    }
    check(bytes == burst.size());
}

class Listener final : public ControlListener {
public:
    void guest_ended(GuestEnd how, uint32_t status) override {
        check(!is_refused && how == GuestEnd::kVersion && status != guest_abi::kVersion);
        is_refused = true;
    }
    bool is_refused = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static std::vector<std::byte> ram(kBuffers.value + 2 * guest_abi::kBurstBytes);
    static const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    static const EventFd event = EventFd::create().value();
    Timeline timeline;
    ConsoleTail tail;
    Serial bell(tail, event, event);
    ConsoleOutput output(null.get(), event, timeline);
    ConsoleOutput errors(null.get(), event, timeline);
    Listener listener;
    std::optional<Channel> made(std::in_place, GuestMemory(ram), kBuffers, bell, output, errors,
                                event, listener);
    Channel& channel = *made;  // where it is, there is each later one
    std::vector<std::byte> held;
    const auto restore = [&] {
        const ChannelState state = channel.save();
        if (listener.is_refused || !Channel::check(state).ok()) return;
        held = state.input;
        made.emplace(GuestMemory(ram), kBuffers, bell, output, errors, event, listener, state);
        if (!held.empty()) channel.offer_input(held);
        const ChannelState again = channel.save();
        check(again.input == state.input && again.input_credit == state.input_credit &&
              again.input_end == state.input_end && again.output == state.output);
    };

    std::array<std::byte, 256> input{};
    Bytes bytes(std::span(data, size));
    while (!bytes.empty()) {
        const uint8_t step = bytes.take();
        switch (step % 8) {
            case 0: {  // the guest fills its buffer
                const auto content = bytes.take(bytes.take());
                std::memcpy(&ram[kBuffers.value], content.data(), content.size());
                break;
            }
            case 1: {
                const bool was_refused = listener.is_refused;
                const size_t room = channel.input_room();
                const uint64_t passed_over = channel.passed_over_frames();
                const uint32_t value = bytes.take32();
                const unsigned width = 1U << (step >> 3 & 1) << (step >> 4 & 1);
                channel.out(step >> 5 & 4, std::as_bytes(std::span(&value, 1)).first(width), width);
                if (was_refused)
                    check(channel.input_room() == room &&
                          channel.passed_over_frames() == passed_over);
                break;
            }
            case 2: {
                uint32_t value = 0;
                channel.in(Channel::kBurst, std::as_writable_bytes(std::span(&value, 1)), 4);
                check(value <= guest_abi::kBurstBytes);
                check_burst(std::span(ram).subspan(kBuffers.value + guest_abi::kBurstBytes, value));
                break;
            }
            case 3: {
                const size_t room = std::min(channel.input_room(), input.size());
                if (room > 0) channel.offer_input(std::span(input).first(room));
                break;
            }
            case 4:
                channel.end_input();
                break;
            case 5:
                channel.send_signal(step >> 3 & 31);
                break;
            case 6:
                channel.set_window(bytes.take(), bytes.take());
                break;
            default:
                channel.output_moved();
                if ((step & 8) != 0) restore();
        }
    }
    return 0;
}
