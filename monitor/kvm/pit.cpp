#include "monitor/kvm/pit.hpp"

#include <cstddef>
#include <iterator>

namespace {

constexpr size_t kGated = 2;  // by port 0x61; the others' gates are wired open

// The control word: SC1 SC0 RW1 RW0 M2 M1 M0 BCD.
constexpr unsigned kSelectShift = 6;
constexpr unsigned kReadWriteShift = 4;
constexpr unsigned kReadWriteMask = 0x3;
constexpr unsigned kModeShift = 1;
constexpr unsigned kModeMask = 0x7;
constexpr unsigned kBcd = 0x1;
// Of modes 6 and 7, which are 2 and 3, the highest bit does not count.
constexpr unsigned kHighestMode = 5;
constexpr unsigned kModeCounts = 0x3;

constexpr unsigned kGate2 = 0x1;
constexpr unsigned kSpeaker = 0x2;
constexpr uint32_t kSpeakerIsOn = 0x2;  // KVM_PIT_FLAGS_SPEAKER_DATA_ON, which old headers lack

constexpr uint8_t kNoMode = 0xff;

void write_control_word(kvm_pit_state2& state, uint8_t word) {
    const unsigned counter = word >> kSelectShift;
    const unsigned read_write = word >> kReadWriteShift & kReadWriteMask;
    // A read-back and a latch ask for what has not been set.
    if (counter >= std::size(state.channels) || read_write == 0) return;
    kvm_pit_channel_state& channel = state.channels[counter];
    const unsigned mode = word >> kModeShift & kModeMask;
    channel.rw_mode = static_cast<uint8_t>(read_write);
    channel.read_state = channel.rw_mode;
    channel.write_state = channel.rw_mode;
    channel.mode = static_cast<uint8_t>(mode > kHighestMode ? mode & kModeCounts : mode);
    channel.bcd = word & kBcd;
}

}  // namespace

kvm_pit_state2 pit_after_reset() {
    kvm_pit_state2 state{};
    for (size_t i = 0; i < std::size(state.channels); ++i) {
        state.channels[i].mode = kNoMode;
        state.channels[i].gate = i == kGated ? 0 : 1;
    }
    return state;
}

void write_untouched_pit(kvm_pit_state2& state, uint16_t port, uint8_t value) {
    if (port == pit_port::kSystemB) {
        state.channels[kGated].gate = value & kGate2;
        state.flags = (value & kSpeaker) != 0 ? kSpeakerIsOn : 0;
    } else if (port == pit_port::kControl) {
        write_control_word(state, value);
    } else {
        state.channels[port - pit_port::kCounters].count = value;
    }
}
