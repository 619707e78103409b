// What a test or a benchmark has the guest do with its virtio devices: and the channel: the
// payloads that can fail.
#pragma once

#include <cstdint>

#include "rootfs/unikernel/boot_info.hpp"
#include "rootfs/unikernel/clock.hpp"
#include "rootfs/unikernel/command_line.hpp"

namespace payload {

// Exit statuses; 0 when all that was asked for is done.
constexpr uint8_t kStatusNoDevice = 3;
constexpr uint8_t kStatusDeviceFailed = 4;

struct Surroundings {
    View<const hvm_memmap_table_entry> map;
    const Clock& clock;
    View<char> buffer;  // for a line of text
};

// `disk-reads`, `disk-write` and `disk-sum` of `request`, on the first disk. Each says in a line
// what it did, or what went wrong.
uint8_t disk(const Request& request, const Surroundings& around);

// `send-frames` and `receive-frames`, on the first network device; as above.
uint8_t network(const Request& request, const Surroundings& around);

// `channel-print` and `channel-echo`, by the channel; as above.
uint8_t channel(const Request& request, const Surroundings& around);

}  // namespace payload
