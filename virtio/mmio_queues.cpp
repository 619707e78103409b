// The rest of MmioTransport: how queues and the device begin and end. mmio.cpp has the registers.
#include <algorithm>
#include <cassert>
#include <utility>

#include "base/log.hpp"
#include "virtio/mmio.hpp"

// --- Setting queues up and taking them down -----------------------------------------------------

void MmioTransport::write_queue_ready(Queue& queue, uint32_t value) {
    if (value == 0) stop(queue);
    if (value == 1 && queue.phase == Phase::kIdle && may_set_up_queues()) make_ready(queue);
}

void MmioTransport::make_ready(Queue& queue) {
    if (queue.layout.size > queue.max_size) {
        fail_locked({"QueueNum", EINVAL, "is more than QueueNumMax", queue.layout.size});
        return;
    }
    Result<Virtqueue> made = Virtqueue::create(memory_, queue.layout, driver_features_);
    if (!made.ok()) {
        fail_locked(made.error());
        return;
    }
    queue.virtqueue.emplace(std::move(made).value());
    queue.phase = Phase::kReady;
    if (has_status(VIRTIO_STATUS_DRIVER_OK)) control_.signal();
}

void MmioTransport::write_queue_reset(Queue& queue, uint32_t value) {
    if (value != 1 || (driver_features_ & feature(VIRTIO_F_RING_RESET)) == 0) return;
    stop(queue);
    // §2.6.1: back "to the default state"; if the device has it, in queue_stopped().
    queue.reset = queue.is_stopping();
    if (!queue.reset) queue.layout = {.size = queue.max_size};
}

void MmioTransport::stop(Queue& queue) {
    if (queue.phase == Phase::kReady) {
        queue.virtqueue.reset();
        queue.phase = Phase::kIdle;
    } else if (queue.phase == Phase::kRunning) {
        queue.phase = Phase::kStopRequested;
        control_.signal();
    }
}

bool MmioTransport::is_stopping() const {
    return is_resetting_ || std::ranges::any_of(queues_, &Queue::is_stopping);
}

// --- Reset and failure --------------------------------------------------------------------------

void MmioTransport::begin_reset() {
    is_resetting_ = true;
    for (Queue& queue : queues_) stop(queue);
    // Once the I/O thread has come to know of the driver, it has the last word.
    if (is_activated_) {
        control_.signal();
    } else {
        finish_reset();
    }
}

void MmioTransport::finish_reset() {
    set_status(0);
    page_.store(MmioRegister::InterruptStatus, 0);
    owed_interrupts_.store(0);
    device_features_sel_ = 0;
    driver_features_sel_ = 0;
    driver_features_ = 0;
    queue_sel_ = 0;
    for (Queue& queue : queues_) queue.layout = {.size = queue.max_size};
    is_activated_ = false;
    is_resetting_ = false;
    show_selected();
    stopped_.notify_all();
}

void MmioTransport::fail(const Error& why) {
    const std::lock_guard lock(mutex_);
    fail_locked(why);
}

void MmioTransport::fail_locked(const Error& why) {
    if (is_resetting_ || has_failed()) return;
    set_status(status_.load() | VIRTIO_STATUS_DEVICE_NEEDS_RESET);
    raise_config();
    // A driver may fail and reset its device in a loop.
    if (complaints_.admits()) log_error(why.about(name_));
}

// --- I/O thread ---------------------------------------------------------------------------------

void MmioTransport::on_control() {
    stop_queues();
    start_queues();
    if (const uint32_t owed = owed_interrupts_.exchange(0); owed != 0) raise(owed);
}

void MmioTransport::stop_queues() {
    for (uint16_t index = 0; index < queue_count(); ++index) {
        {
            const std::lock_guard lock(mutex_);
            if (queues_[index].phase != Phase::kStopRequested) continue;
            queues_[index].phase = Phase::kStopping;
        }
        is_running_[index] = false;
        device_.stop_queue(index);
    }
    const std::lock_guard lock(mutex_);
    if (is_resetting_ && std::ranges::none_of(queues_, &Queue::is_stopping)) finish_reset();
}

void MmioTransport::queue_stopped(uint16_t index) {
    const std::lock_guard lock(mutex_);
    Queue& queue = queues_[index];
    assert(queue.phase == Phase::kStopping);
    queue.phase = Phase::kIdle;
    if (queue.reset) queue.layout = {.size = queue.max_size};
    queue.reset = false;
    show_selected();
    stopped_.notify_all();
    // The last one ends a reset, whether on_control() is still on its way round or long gone.
    if (is_resetting_ && std::ranges::none_of(queues_, &Queue::is_stopping)) finish_reset();
}

void MmioTransport::start_queues() {
    uint64_t features = 0;
    bool is_new = false;
    {
        const std::lock_guard lock(mutex_);
        if (is_resetting_ || has_failed() || !has_status(VIRTIO_STATUS_DRIVER_OK)) return;
        features = driver_features_;
        is_new = !is_activated_;
        is_activated_ = true;
    }
    if (is_new) {
        const Result<> activated = device_.activate(features);
        if (!activated.ok()) return fail(activated.error());
    }
    std::vector<uint16_t> started;
    for (uint16_t index = 0; index < queue_count(); ++index) {
        std::optional<Virtqueue> virtqueue;
        {
            const std::lock_guard lock(mutex_);
            Queue& queue = queues_[index];
            // A reset that came meanwhile has left none of them ready.
            if (queue.phase != Phase::kReady) continue;
            queue.phase = Phase::kRunning;
            virtqueue.swap(queue.virtqueue);
        }
        device_.start_queue(index, std::move(*virtqueue));
        is_running_[index] = true;
        started.push_back(index);
    }
    // A kick that came before the queue ran has been drained and is lost; look once.
    for (const uint16_t index : started) on_kick(index);
}

void MmioTransport::on_kick(uint16_t index) {
    if (is_running_[index] && !has_failed()) device_.on_kick(index);
}

void MmioTransport::raise_config() {
    metrics_.config_updates.add();
    raise(VIRTIO_MMIO_INT_CONFIG);
}

void MmioTransport::raise(uint32_t interrupt_bits) {
    page_.set_bits(MmioRegister::InterruptStatus, interrupt_bits);
    interrupt_.signal();
}

void MmioTransport::notify_used() {
    metrics_.triggers.add();
    raise(VIRTIO_MMIO_INT_VRING);
}

void MmioTransport::set_config(std::span<const std::byte> config) {
    const std::lock_guard lock(mutex_);
    assert(config.size() <= config_bytes_);
    page_.store_config(config);
    if (has_status(VIRTIO_STATUS_DRIVER_OK) && !is_resetting_) raise_config();
}
