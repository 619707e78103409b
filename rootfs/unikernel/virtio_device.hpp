// A virtio device behind MMIO registers (Virtio 1.2 §4.2), from the driver's side.
//
// Every access of a register leaves the guest, which costs some 15 us; a kick, which the kernel
// takes, about half.
#pragma once

#include <cstdint>

#include "abi/machine.hpp"
#include "rootfs/unikernel/virtqueue.hpp"

constexpr uint32_t VIRTIO_ID_NET = 1;
constexpr uint32_t VIRTIO_ID_BLOCK = 2;

// Numbers of feature bits.
constexpr unsigned VIRTIO_F_INDIRECT_DESC = 28;
constexpr unsigned VIRTIO_F_EVENT_IDX = 29;
constexpr unsigned VIRTIO_F_VERSION_1 = 32;

constexpr uint64_t feature(unsigned number) {
    return uint64_t{1} << number;
}

// §4.2.2 MMIO Device Register Layout
enum class MmioRegister : uint32_t {
    MagicValue = 0x000,         // r
    DeviceID = 0x008,           // r    0: no device
    DeviceFeatures = 0x010,     // r
    DeviceFeaturesSel = 0x014,  //   w
    DriverFeatures = 0x020,     //   w
    DriverFeaturesSel = 0x024,  //   w
    QueueSel = 0x030,           //   w  the queue that the Queue* registers are about
    QueueNumMax = 0x034,        // r    0: no such queue
    QueueNum = 0x038,           //   w
    QueueReady = 0x044,         // r/w
    QueueNotify = 0x050,        //   w
    Status = 0x070,             // r/w  writing 0 resets
    QueueDescLow = 0x080,       //   w  the high half of each follows 4 bytes on
    QueueDriverLow = 0x090,     //   w
    QueueDeviceLow = 0x0a0,     //   w
    Config = 0x100,
};

class VirtioDevice {
public:
    // The first device of type `id` (VIRTIO_ID_*) in `count` windows from `first` up, which end at
    // the first without a device.
    static VirtioDevice find(uint32_t id, uint64_t first = guest_abi::kVirtioMmio,
                             uint64_t count = guest_abi::kMaxVirtioDevices);

    bool found() const { return window_ != 0; }

    // All below have the precondition found(), and stand in the order of their use (§3.1.1).

    // Resets the device, and agrees on VERSION_1, EVENT_IDX and what of `wanted` it offers. False
    // if it does not take part.
    bool negotiate(uint64_t wanted);

    bool has(unsigned number) const { return (features_ & feature(number)) != 0; }

    // The device's own configuration, which is to be read field by field (§4.2.2.2).
    uint8_t config8(uint32_t offset) const;
    uint32_t config32(uint32_t offset) const;

    // Lays queue `index` out in `memory` and tells the device. Its size is the device's largest, or
    // `most` if that is less; a queue of size 0 if the device refuses. `most` is a power of two.
    Virtqueue set_up_queue(uint16_t index, VirtqueueMemory& memory, uint16_t most) const;

    // From here on the device works.
    void start() const;

    // Shows the device what was added to queue `index`, and kicks if it wants that.
    void offer(uint16_t index, Virtqueue& queue) const {
        if (queue.offer()) write(MmioRegister::QueueNotify, index);
    }

    // Polls until `queue` has something to take. False if the device gave up.
    bool wait(const Virtqueue& queue) const;

private:
    explicit VirtioDevice(uint64_t window) : window_(window) {}

    uint32_t read(MmioRegister which) const;
    void write(MmioRegister which, uint32_t value) const;
    void write_address(MmioRegister low, uint64_t address) const;
    bool reset() const;

    uint64_t window_;
    uint64_t features_ = 0;
};
