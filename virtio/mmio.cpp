#include "virtio/mmio.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

namespace {

constexpr uint32_t kVendorId = 0x6679614d;  // "Mayf"; §4.2.2 leaves it to the vendor
constexpr uint64_t kConfig = static_cast<uint64_t>(MmioRegister::Config);
constexpr uint32_t kAllOnes = 0xffffffff;

constexpr uint64_t kTransportFeatures = feature(VIRTIO_F_INDIRECT_DESC) |
                                        feature(VIRTIO_F_EVENT_IDX) | feature(VIRTIO_F_VERSION_1) |
                                        feature(VIRTIO_F_RING_RESET);

// The status bits that are the driver's to set.
constexpr uint8_t kDriverStatus = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER |
                                  VIRTIO_STATUS_DRIVER_OK | VIRTIO_STATUS_FEATURES_OK |
                                  VIRTIO_STATUS_FAILED;

// §2.1.2 and §3.1.1: a device or driver that has given up does not go live.
constexpr uint8_t kGivenUp = VIRTIO_STATUS_DEVICE_NEEDS_RESET | VIRTIO_STATUS_FAILED;

uint32_t word(uint64_t value, uint32_t select) {
    return select < 2 ? static_cast<uint32_t>(value >> (32 * select)) : 0;
}

void set_word(uint64_t& value, uint32_t select, uint32_t half) {
    const unsigned shift = 32 * select;
    value = (value & ~(uint64_t{kAllOnes} << shift)) | (uint64_t{half} << shift);
}

// What the driver expects to be done when it goes on.
bool stops_queues(MmioRegister which, uint32_t value) {
    return (which == MmioRegister::Status && value == 0) ||
           (which == MmioRegister::QueueReady && value == 0) || which == MmioRegister::QueueReset;
}

}  // namespace

Result<std::unique_ptr<MmioTransport>> MmioTransport::create(std::string name, VirtioDevice& device,
                                                             const GuestMemory& memory,
                                                             const EventFd& interrupt,
                                                             std::span<std::byte> page,
                                                             std::chrono::milliseconds patience,
                                                             const MmioTransportState& state) {
    std::vector<Queue> queues;
    for (const uint16_t max_size : device.max_queue_sizes()) {
        assert(std::has_single_bit(max_size));
        queues.push_back(
            {.kick = TRY(EventFd::create()), .max_size = max_size, .layout = {.size = max_size}});
    }
    auto transport = std::unique_ptr<MmioTransport>(
        new MmioTransport(std::move(name), device, memory, interrupt, page, TRY(EventFd::create()),
                          std::move(queues), patience));
    if (state != MmioTransportState{}) {
        const Result<> done = transport->go_on_from(state);
        if (!done.ok()) return done.error().about(transport->name_);
    }
    device.attach(*transport);
    return transport;
}

MmioTransport::MmioTransport(std::string name, VirtioDevice& device, const GuestMemory& memory,
                             const EventFd& interrupt, std::span<std::byte> page, EventFd control,
                             std::vector<Queue> queues, std::chrono::milliseconds patience)
    : name_(std::move(name)),
      device_(device),
      memory_(memory),
      interrupt_(interrupt),
      control_(std::move(control)),
      patience_(patience),
      offered_features_(device.offered_features() | kTransportFeatures),
      page_(page),
      config_bytes_(device.config().size()),
      queues_(std::move(queues)),
      is_running_(queues_.size()) {
    page_.store(MmioRegister::MagicValue, VIRTIO_MMIO_MAGIC);
    page_.store(MmioRegister::Version, VIRTIO_MMIO_DEVICE_VERSION);
    page_.store(MmioRegister::DeviceID, device.device_id());
    page_.store(MmioRegister::VendorID, kVendorId);
    for (const MmioRegister which : {MmioRegister::SHMLenLow, MmioRegister::SHMLenHigh,
                                     MmioRegister::SHMBaseLow, MmioRegister::SHMBaseHigh})
        page_.store(which, kAllOnes);
    page_.store_config(device.config());
    show_selected();
}

// --- Register accesses --------------------------------------------------------------------------

void MmioTransport::write(uint64_t offset, std::span<const std::byte> data) {
    uint32_t value = 0;
    if (data.size() != sizeof(value) || offset % sizeof(value) != 0 || offset >= kConfig) return;
    std::memcpy(&value, data.data(), sizeof(value));
    const auto which = static_cast<MmioRegister>(offset);

    std::unique_lock lock(mutex_);
    if (!is_resetting_) {
        write_register(which, value);
        show_selected();
    }
    if (stops_queues(which, value))
        stopped_.wait_for(lock, patience_, [this] { return !is_stopping(); });
}

void MmioTransport::show_selected() {
    const Queue* const queue = selected();
    page_.store(MmioRegister::DeviceFeatures, word(offered_features_, device_features_sel_));
    page_.store(MmioRegister::QueueNumMax, queue != nullptr ? queue->max_size : 0);
    page_.store(MmioRegister::QueueReady, queue != nullptr && queue->phase != Phase::kIdle ? 1 : 0);
    page_.store(MmioRegister::QueueReset, queue != nullptr && queue->reset ? 1 : 0);
}

void MmioTransport::set_status(uint8_t status) {
    status_.store(status);
    page_.store(MmioRegister::Status, status);
}

void MmioTransport::write_register(MmioRegister which, uint32_t value) {
    switch (which) {
        case MmioRegister::DeviceFeaturesSel:
            device_features_sel_ = value;
            return;
        case MmioRegister::DriverFeaturesSel:
            driver_features_sel_ = value;
            return;
        case MmioRegister::DriverFeatures:
            write_driver_features(value);
            return;
        case MmioRegister::QueueSel:
            queue_sel_ = value;
            return;
        case MmioRegister::QueueNotify:
            // Where there is no ioeventfd. on_kick() asks whether the queue runs.
            if (value < queues_.size()) queues_[value].kick.signal();
            return;
        case MmioRegister::InterruptACK:
            page_.clear_bits(MmioRegister::InterruptStatus, value);
            return;
        case MmioRegister::Status:
            write_status(value);
            return;
        default:
            break;
    }
    if (selected() == nullptr) return;
    Queue& queue = queues_[queue_sel_];
    if (which == MmioRegister::QueueReady) {
        write_queue_ready(queue, value);
    } else if (which == MmioRegister::QueueReset) {
        write_queue_reset(queue, value);
    } else {
        write_queue_layout(queue, which, value);
    }
}

const MmioTransport::Queue* MmioTransport::selected() const {
    return queue_sel_ < queues_.size() ? &queues_[queue_sel_] : nullptr;
}

// --- Status and features ------------------------------------------------------------------------

void MmioTransport::write_driver_features(uint32_t value) {
    // §3.1.1: between DRIVER and FEATURES_OK. "The driver MUST NOT accept new feature bits after".
    if (!has_status(VIRTIO_STATUS_DRIVER) || has_status(VIRTIO_STATUS_FEATURES_OK)) return;
    if (driver_features_sel_ < 2) set_word(driver_features_, driver_features_sel_, value);
}

bool MmioTransport::accepts_driver_features() const {
    // §6.1: a device may refuse to work without VIRTIO_F_VERSION_1; §4.2 version 2 has no other
    // way.
    return (driver_features_ & ~offered_features_) == 0 &&
           (driver_features_ & feature(VIRTIO_F_VERSION_1)) != 0;
}

void MmioTransport::write_status(uint32_t value) {
    if (value == 0) {
        begin_reset();
        return;
    }
    const uint8_t before = status_.load();
    const auto wanted = static_cast<uint8_t>(value & kDriverStatus);
    // §2.1.1: "The driver MUST NOT clear a device status bit", so bits are only ever set. §3.1.1:
    // each step needs the one before, though one write may take several.
    auto after = static_cast<uint8_t>(
        before | (wanted & (VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_FAILED)));
    if ((after & VIRTIO_STATUS_ACKNOWLEDGE) != 0) after |= wanted & VIRTIO_STATUS_DRIVER;
    if ((after & VIRTIO_STATUS_DRIVER) != 0 && accepts_driver_features())
        after |= wanted & VIRTIO_STATUS_FEATURES_OK;
    if ((after & VIRTIO_STATUS_FEATURES_OK) != 0 && (after & kGivenUp) == 0)
        after |= wanted & VIRTIO_STATUS_DRIVER_OK;
    set_status(after);
    if ((after & ~before & VIRTIO_STATUS_DRIVER_OK) != 0) control_.signal();
}

bool MmioTransport::may_set_up_queues() const {
    return has_status(VIRTIO_STATUS_FEATURES_OK) && !has_failed() &&
           !has_status(VIRTIO_STATUS_FAILED);
}

void MmioTransport::write_queue_layout(Queue& queue, MmioRegister which, uint32_t value) {
    // §4.2.2.2: "When QueueReady is not zero, the driver MUST NOT access" these.
    if (queue.phase != Phase::kIdle || !may_set_up_queues()) return;
    VirtqueueLayout& layout = queue.layout;
    switch (which) {
        case MmioRegister::QueueNum:
            layout.size = value;
            return;
        case MmioRegister::QueueDescLow:
            return set_word(layout.desc.value, 0, value);
        case MmioRegister::QueueDescHigh:
            return set_word(layout.desc.value, 1, value);
        case MmioRegister::QueueDriverLow:
            return set_word(layout.driver.value, 0, value);
        case MmioRegister::QueueDriverHigh:
            return set_word(layout.driver.value, 1, value);
        case MmioRegister::QueueDeviceLow:
            return set_word(layout.device.value, 0, value);
        case MmioRegister::QueueDeviceHigh:
            return set_word(layout.device.value, 1, value);
        default:
            return;
    }
}
