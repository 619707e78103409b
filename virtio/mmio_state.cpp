// The rest of MmioTransport: what it is, as values, and made of them. mmio.cpp has the registers.
#include <algorithm>
#include <array>
#include <bit>

#include "virtio/mmio.hpp"

namespace {

constexpr uint8_t kKnownStatus = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER |
                                 VIRTIO_STATUS_DRIVER_OK | VIRTIO_STATUS_FEATURES_OK |
                                 VIRTIO_STATUS_DEVICE_NEEDS_RESET | VIRTIO_STATUS_FAILED;

// §3.1.1: `status` has the step before each that it has.
bool has_all_steps(uint8_t status) {
    bool is_there = true;
    for (const uint8_t step : {VIRTIO_STATUS_ACKNOWLEDGE, VIRTIO_STATUS_DRIVER,
                               VIRTIO_STATUS_FEATURES_OK, VIRTIO_STATUS_DRIVER_OK}) {
        const bool is_taken = (status & step) != 0;
        if (is_taken && !is_there) return false;
        is_there = is_taken;
    }
    return true;
}

// Those that depend on a device's file, TAP or configuration.
struct FeatureName {
    uint32_t device_id;
    unsigned number;
    const char* name;
};
constexpr std::array kFeatureNames{
    FeatureName{VIRTIO_ID_BLOCK, VIRTIO_BLK_F_RO, "VIRTIO_BLK_F_RO"},
    FeatureName{VIRTIO_ID_BLOCK, VIRTIO_BLK_F_FLUSH, "VIRTIO_BLK_F_FLUSH"},
    FeatureName{VIRTIO_ID_BLOCK, VIRTIO_BLK_F_DISCARD, "VIRTIO_BLK_F_DISCARD"},
    FeatureName{VIRTIO_ID_BLOCK, VIRTIO_BLK_F_WRITE_ZEROES, "VIRTIO_BLK_F_WRITE_ZEROES"},
    FeatureName{VIRTIO_ID_NET, VIRTIO_NET_F_CSUM, "VIRTIO_NET_F_CSUM"},
    FeatureName{VIRTIO_ID_NET, VIRTIO_NET_F_GUEST_CSUM, "VIRTIO_NET_F_GUEST_CSUM"},
    FeatureName{VIRTIO_ID_NET, VIRTIO_NET_F_MTU, "VIRTIO_NET_F_MTU"},
    FeatureName{VIRTIO_ID_NET, VIRTIO_NET_F_GUEST_TSO4, "VIRTIO_NET_F_GUEST_TSO4"},
    FeatureName{VIRTIO_ID_NET, VIRTIO_NET_F_GUEST_TSO6, "VIRTIO_NET_F_GUEST_TSO6"},
    FeatureName{VIRTIO_ID_NET, VIRTIO_NET_F_GUEST_UFO, "VIRTIO_NET_F_GUEST_UFO"},
    FeatureName{VIRTIO_ID_NET, VIRTIO_NET_F_HOST_TSO4, "VIRTIO_NET_F_HOST_TSO4"},
    FeatureName{VIRTIO_ID_NET, VIRTIO_NET_F_HOST_TSO6, "VIRTIO_NET_F_HOST_TSO6"},
    FeatureName{VIRTIO_ID_NET, VIRTIO_NET_F_HOST_UFO, "VIRTIO_NET_F_HOST_UFO"},
    FeatureName{VIRTIO_ID_NET, VIRTIO_NET_F_GUEST_USO4, "VIRTIO_NET_F_GUEST_USO4"},
    FeatureName{VIRTIO_ID_NET, VIRTIO_NET_F_GUEST_USO6, "VIRTIO_NET_F_GUEST_USO6"},
    FeatureName{VIRTIO_ID_NET, VIRTIO_NET_F_HOST_USO, "VIRTIO_NET_F_HOST_USO"},
};

// `lost`: features, at least one.
Error lost_feature(uint32_t device_id, uint64_t lost, const char* why) {
    const auto number = static_cast<unsigned>(std::countr_zero(lost));
    for (const FeatureName& known : kFeatureNames)
        if (known.device_id == device_id && known.number == number)
            return {known.name, EOPNOTSUPP, why};
    return {"feature", EOPNOTSUPP, why, number};
}

}  // namespace

Result<MmioTransportState> MmioTransport::save() {
    // What vCPUs have left for this thread.
    on_control();
    std::vector<VirtqueueState> queues(queues_.size());
    // A device that has failed begins anew after a reset.
    for (uint16_t index = 0; index < queue_count(); ++index)
        if (is_running_[index] && !has_failed()) queues[index] = device_.save_queue(index);

    const std::lock_guard lock(mutex_);
    if (is_stopping()) return Error{"queue", EBUSY, "its requests do not end"}.about(name_);
    MmioTransportState state{
        .status = status_.load(),
        .device_features_sel = device_features_sel_,
        .driver_features_sel = driver_features_sel_,
        .queue_sel = queue_sel_,
        .offered_features = offered_features_,
        .driver_features = driver_features_,
        // An interrupt that was owed is one that is up.
        .interrupt_status = page_.load(MmioRegister::InterruptStatus),
        .config_generation = page_.load(MmioRegister::ConfigGeneration),
        .config = std::vector<uint8_t>(config_bytes_),
        .queues = {},
    };
    page_.read(static_cast<uint64_t>(MmioRegister::Config),
               std::as_writable_bytes(std::span(state.config)));
    for (size_t index = 0; index < queues_.size(); ++index)
        state.queues.push_back({.layout = queues_[index].layout,
                                .is_ready = queues_[index].phase != Phase::kIdle,
                                .queue = std::move(queues[index])});
    return state;
}

Result<> MmioTransport::go_on_from(const MmioTransportState& state) {
    if ((state.status & ~kKnownStatus) != 0)
        return Error{"Status", EINVAL, "has bits that nobody knows", state.status};
    if (!has_all_steps(state.status))
        return Error{"Status", EINVAL, "leaves a step out", state.status};
    if ((state.interrupt_status & ~(VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG)) != 0)
        return Error{"InterruptStatus", EINVAL, "has bits that nobody knows",
                     state.interrupt_status};
    if (state.queues.size() != queues_.size())
        return Error{"queues", EINVAL, "are not as many as the device has", state.queues.size()};
    TRY(check_features(state));
    set_status(state.status);
    device_features_sel_ = state.device_features_sel;
    driver_features_sel_ = state.driver_features_sel;
    queue_sel_ = state.queue_sel;
    driver_features_ = state.driver_features;
    for (size_t index = 0; index < queues_.size(); ++index)
        TRY(go_on_from(state.queues[index], queues_[index]));
    show_selected();

    const bool is_live = has_status(VIRTIO_STATUS_DRIVER_OK);
    uint32_t owed = state.interrupt_status;
    if (is_live && !has_failed()) owed |= VIRTIO_MMIO_INT_VRING;
    const auto config = std::as_bytes(std::span(state.config));
    const bool has_changed = !std::ranges::equal(config, device_.config());
    if (has_changed && is_live) owed |= VIRTIO_MMIO_INT_CONFIG;
    page_.store(MmioRegister::InterruptStatus, state.interrupt_status);
    page_.store(MmioRegister::ConfigGeneration, state.config_generation + (has_changed ? 2 : 0));
    owed_interrupts_.store(owed);
    if (is_live || owed != 0) control_.signal();
    return Ok{};
}

Result<> MmioTransport::check_features(const MmioTransportState& state) const {
    if ((state.status & VIRTIO_STATUS_FEATURES_OK) == 0) {
        // What a driver that is about to choose has been told.
        const uint64_t lost = state.status == 0 ? 0 : state.offered_features & ~offered_features_;
        if (lost == 0) return Ok{};
        return lost_feature(device_.device_id(), lost, "was offered, and is not any more");
    }
    if ((state.driver_features & feature(VIRTIO_F_VERSION_1)) == 0)
        return Error{"DriverFeatures", EINVAL, "lacks VIRTIO_F_VERSION_1"};
    const uint64_t lost = state.driver_features & ~offered_features_;
    if (lost == 0) return Ok{};
    return lost_feature(device_.device_id(), lost, "is in use, and not offered any more");
}

Result<> MmioTransport::go_on_from(const MmioQueueState& state, Queue& queue) {
    queue.layout = state.layout;
    if (!state.is_ready) return Ok{};
    if (!has_status(VIRTIO_STATUS_FEATURES_OK))
        return Error{"QueueReady", EINVAL, "is set before features are"};
    if (state.layout.size > queue.max_size)
        return Error{"QueueNum", EINVAL, "is more than QueueNumMax", state.layout.size};
    queue.virtqueue.emplace(
        TRY(Virtqueue::create(memory_, state.layout, driver_features_, state.queue)));
    queue.phase = Phase::kReady;
    return Ok{};
}
