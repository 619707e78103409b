// The Ethernet frames that `send-frames` sends and `receive-frames` counts: broadcast, of a type
// that IEEE 802 leaves to local experiments, with a number.
#pragma once

#include <cstddef>
#include <cstdint>

#include "rootfs/unikernel/view.hpp"

constexpr size_t kLeastFrameBytes = 14;  // destination, source and type
constexpr size_t kMostFrameBytes = 1514;
constexpr size_t kMostFramesInFlight = 128;

struct MacAddress {
    uint8_t bytes[6];
};

// Fills `frame`, of at least kLeastFrameBytes, and gives it number 0.
void write_frame(View<uint8_t> frame, const MacAddress& source);

// The number: 8 bytes behind the type, little-endian, or as many of them as there is room for.
void number_frame(View<uint8_t> frame, uint64_t number);

// Whether `frame` has our type.
bool is_our_frame(View<const uint8_t> frame);
