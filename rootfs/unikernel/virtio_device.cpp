#include "rootfs/unikernel/virtio_device.hpp"

#include "rootfs/unikernel/instructions.hpp"

namespace {

constexpr uint32_t kMagic = 0x74726976;  // "virt"

// §2.1 Device Status Field
constexpr uint32_t VIRTIO_STATUS_ACKNOWLEDGE = 1;
constexpr uint32_t VIRTIO_STATUS_DRIVER = 2;
constexpr uint32_t VIRTIO_STATUS_DRIVER_OK = 4;
constexpr uint32_t VIRTIO_STATUS_FEATURES_OK = 8;
constexpr uint32_t VIRTIO_STATUS_DEVICE_NEEDS_RESET = 64;

constexpr uint32_t kAwake = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER;
constexpr uint32_t kAgreed = kAwake | VIRTIO_STATUS_FEATURES_OK;

constexpr unsigned kMostResetReads = 1000;
// A fraction of a second: Status costs as much as some thousand polls.
constexpr uint64_t kPollsPerStatus = uint64_t{1} << 22;

}  // namespace

VirtioDevice VirtioDevice::find(uint32_t id, uint64_t first, uint64_t count) {
    for (uint64_t n = 0; n < count; ++n) {
        const VirtioDevice device(first + n * guest_abi::kVirtioMmioSize);
        if (device.read(MmioRegister::MagicValue) != kMagic) break;
        const uint32_t type = device.read(MmioRegister::DeviceID);
        if (type == id) return device;
        if (type == 0) break;
    }
    return VirtioDevice(0);
}

bool VirtioDevice::negotiate(uint64_t wanted) {
    if (!reset()) return false;
    write(MmioRegister::Status, VIRTIO_STATUS_ACKNOWLEDGE);
    write(MmioRegister::Status, kAwake);
    wanted |= feature(VIRTIO_F_VERSION_1) | feature(VIRTIO_F_EVENT_IDX);
    features_ = 0;
    for (uint32_t half = 0; half < 2; ++half) {
        write(MmioRegister::DeviceFeaturesSel, half);
        const uint64_t offered = read(MmioRegister::DeviceFeatures);
        features_ |= wanted & offered << (32 * half);
        write(MmioRegister::DriverFeaturesSel, half);
        write(MmioRegister::DriverFeatures, static_cast<uint32_t>(features_ >> (32 * half)));
    }
    if (!has(VIRTIO_F_VERSION_1)) return false;
    write(MmioRegister::Status, kAgreed);
    return (read(MmioRegister::Status) & VIRTIO_STATUS_FEATURES_OK) != 0;
}

uint8_t VirtioDevice::config8(uint32_t offset) const {
    return load8(window_ + static_cast<uint32_t>(MmioRegister::Config) + offset);
}

uint32_t VirtioDevice::config32(uint32_t offset) const {
    return load32(window_ + static_cast<uint32_t>(MmioRegister::Config) + offset);
}

Virtqueue VirtioDevice::set_up_queue(uint16_t index, VirtqueueMemory& memory, uint16_t most) const {
    write(MmioRegister::QueueSel, index);
    const uint32_t largest = read(MmioRegister::QueueNumMax);
    uint16_t size = most;
    while (size > largest) size /= 2;
    if (size == 0) return {};
    const Virtqueue queue(memory, size,
                          has(VIRTIO_F_EVENT_IDX) ? Events::kIndexes : Events::kFlags);
    write(MmioRegister::QueueNum, size);
    write_address(MmioRegister::QueueDescLow, queue.desc_address());
    write_address(MmioRegister::QueueDriverLow, queue.avail_address());
    write_address(MmioRegister::QueueDeviceLow, queue.used_address());
    write(MmioRegister::QueueReady, 1);
    if (read(MmioRegister::QueueReady) != 1) return {};
    return queue;
}

void VirtioDevice::start() const {
    write(MmioRegister::Status, kAgreed | VIRTIO_STATUS_DRIVER_OK);
}

bool VirtioDevice::wait(const Virtqueue& queue) const {
    for (uint64_t polls = 1; !queue.has_used(); ++polls) {
        relax();
        if (polls % kPollsPerStatus != 0) continue;
        if ((read(MmioRegister::Status) & VIRTIO_STATUS_DEVICE_NEEDS_RESET) != 0) return false;
    }
    return true;
}

uint32_t VirtioDevice::read(MmioRegister which) const {
    return load32(window_ + static_cast<uint32_t>(which));
}

void VirtioDevice::write(MmioRegister which, uint32_t value) const {
    store32(window_ + static_cast<uint32_t>(which), value);
}

void VirtioDevice::write_address(MmioRegister low, uint64_t address) const {
    write(low, static_cast<uint32_t>(address));
    write(static_cast<MmioRegister>(static_cast<uint32_t>(low) + 4),
          static_cast<uint32_t>(address >> 32));
}

// §2.4: the device is reset when Status reads 0.
bool VirtioDevice::reset() const {
    write(MmioRegister::Status, 0);
    for (unsigned reads = 0; reads < kMostResetReads; ++reads) {
        if (read(MmioRegister::Status) == 0) return true;
    }
    return false;
}
