#include "rootfs/unikernel/frame.hpp"

namespace {

// IEEE 802.3 §3.1.1: where the fields are; IEEE 802-2014 table 3: local experimental type 1.
constexpr size_t kSource = 6;
constexpr size_t kType = 12;
constexpr size_t kPayload = 14;
constexpr uint8_t kTypeHigh = 0x88;
constexpr uint8_t kTypeLow = 0xb5;

constexpr size_t kNumberBytes = 8;

}  // namespace

void write_frame(View<uint8_t> frame, const MacAddress& source) {
    for (size_t i = 0; i < frame.size(); ++i) frame[i] = i < kSource ? 0xff : 0;
    for (size_t i = 0; i < sizeof source.bytes; ++i) frame[kSource + i] = source.bytes[i];
    frame[kType] = kTypeHigh;
    frame[kType + 1] = kTypeLow;
}

void number_frame(View<uint8_t> frame, uint64_t number) {
    for (size_t i = 0; i < kNumberBytes && kPayload + i < frame.size(); ++i) {
        frame[kPayload + i] = static_cast<uint8_t>(number >> (8 * i));
    }
}

bool is_our_frame(View<const uint8_t> frame) {
    return frame.size() >= kLeastFrameBytes && frame[kType] == kTypeHigh &&
           frame[kType + 1] == kTypeLow;
}
