// What a virtio device is besides the guest's memory: plain values, from which a device that goes
// on where another one stood is made. A default-constructed state is that of a device at boot.
//
// They come from files, and whoever makes a device from them checks all that counts, names, or is
// named. Nothing in them says that requests are with the kernel: only a device that is held and
// still is saved (Block::hold(), Net::hold()).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "virtio/rate_limiter.hpp"
#include "virtio/virtqueue.hpp"

struct MmioQueueState {
    VirtqueueLayout layout;  // as the driver wrote it
    bool is_ready = false;   // QueueReady. It runs if the driver is ready too (DRIVER_OK)
    VirtqueueState queue;    // of a queue that is ready

    bool operator==(const MmioQueueState&) const = default;
};

// The registers of a device, and its queues. Virtio 1.2 §4.2.2.
struct MmioTransportState {
    uint8_t status = 0;  // VIRTIO_STATUS_*
    uint32_t device_features_sel = 0;
    uint32_t driver_features_sel = 0;
    uint32_t queue_sel = 0;
    uint64_t offered_features = 0;  // with the transport's own; DeviceFeatures shows them
    uint64_t driver_features = 0;
    uint32_t interrupt_status = 0;  // VIRTIO_MMIO_INT_*
    uint32_t config_generation = 0;
    // The configuration space as the driver saw it. A device that has another one by now tells it.
    std::vector<uint8_t> config;
    std::vector<MmioQueueState> queues;  // one for each that the device has; at boot, none

    bool operator==(const MmioTransportState&) const = default;
};

struct BlockState {
    std::optional<RateLimiterState> limits;  // none: as the configuration says, and full
};

struct NetState {
    std::optional<RateLimiterState> receive_limits;  // none: see BlockState
    std::optional<RateLimiterState> transmit_limits;
};

struct VirtioDeviceState {
    MmioTransportState transport;
    // That of its kind.
    std::optional<BlockState> block;
    std::optional<NetState> net;
};
