// The virtio-mmio transport, version 2: a device's register window. Virtio 1.2 §4.2.
//
// The machine owns one for each device. Two kinds of thread meet in it, and this is how:
//   * vCPU threads access registers. One mutex guards these; no device code runs under it.
//   * The I/O thread owns the device and its queues. When a register write concerns them, the
//     vCPU thread leaves it in the registers and signals control(); the I/O thread then brings
//     the device up to date in on_control(). Chains and completions take no lock at all: a kick
//     is an eventfd, an interrupt an atomic bit and an eventfd.
// What a driver may read lies in a page (register_page.hpp) that the machine maps into the guest.
//
// InterruptStatus. The machine may take a driver's acknowledgement of used buffers (bit 0) without
// telling the transport; the bit then stays up, and the next interrupt finds it so. §4.2.2.1 has
// it mean that buffers were used in "at least one of the active virtual queues", which stays true.
//
// Reset. It is asynchronous: the registers keep their values, Status among them, which is not 0,
// until the device has said queue_stopped() for every queue that ran; then all is cleared at once
// (§2.4.2, §4.2.2.1). So nothing that the kernel still does for the old driver can hit memory that
// the new one uses. Linux's virtio_mmio does not read Status back; for its sake the write that asks
// for the reset returns when the reset is done, or when the driver's patience is up. Until then
// all writes are ignored.
//
// A driver that sets up a queue which cannot be, or one whose rings make no sense, finds
// DEVICE_NEEDS_RESET set and a configuration change notification (§2.1.2), and nothing else.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/condition_variable.hpp"
#include "base/event_fd.hpp"
#include "base/log_limit.hpp"
#include "virtio/device.hpp"
#include "virtio/device_state.hpp"
#include "virtio/guest_memory.hpp"
#include "virtio/register_page.hpp"
#include "virtio/spec.hpp"
#include "virtio/transport_metrics.hpp"
#include "virtio/virtqueue.hpp"

class MmioTransport final : public VirtioTransport {
public:
    // What Linux needs if a request is with a slow disk when its driver is unbound.
    static constexpr std::chrono::milliseconds kPatience{1000};

    // `name` says in the log which device it is. `interrupt` is the irqfd of the device's GSI;
    // `page` what the driver reads (RegisterPage: zeroed); both, `device` and the guest's memory
    // outlive the transport. `patience`: how long a register write that stops queues may hold up
    // its vCPU. `state`: of a device that goes on where another one stood. Its registers are as
    // they were; the I/O thread, which finds control() signalled, has it and its queues run again,
    // and interrupts the driver once, because what was on its way to it may not have come. Errors:
    // as eventfd(2); those of a state that no device of this kind can have, each about `name`.
    static Result<std::unique_ptr<MmioTransport>> create(
        std::string name, VirtioDevice& device, const GuestMemory& memory, const EventFd& interrupt,
        std::span<std::byte> page, std::chrono::milliseconds patience = kPatience,
        const MmioTransportState& state = {});

    // --- vCPU threads, several at once ----------------------------------------------------------

    // An access at `offset` from the window's start, as KVM reports it: 1 to 8 bytes. Reads come
    // here only where the page is not mapped into the guest. Control registers are written by
    // aligned accesses of 4 bytes (§4.2.2.2), the configuration space not at all.
    void read(uint64_t offset, std::span<std::byte> data) const { page_.read(offset, data); }
    void write(uint64_t offset, std::span<const std::byte> data);

    // --- Wiring, before the machine runs --------------------------------------------------------

    uint16_t queue_count() const { return static_cast<uint16_t>(queues_.size()); }
    // Signalled by the guest's write of `index` to QueueNotify: KVM's ioeventfd. Its reader, on
    // the I/O thread, drains it and then calls on_kick(index).
    const EventFd& kick(uint16_t index) const { return queues_[index].kick; }
    // Signalled by vCPU threads. Its reader, on the I/O thread, drains it and calls on_control().
    const EventFd& control() const { return control_; }

    // --- I/O thread -----------------------------------------------------------------------------

    void on_control();
    void on_kick(uint16_t index);

    // What create() goes on from. Precondition: no vCPU runs; VirtioDevice::save_queue()'s. Errors:
    // EBUSY: a queue is being stopped.
    Result<MmioTransportState> save();

    void notify_used() override;
    void set_config(std::span<const std::byte> config) override;
    void fail(const Error& why) override;
    bool has_failed() const override {
        return (status_.load(std::memory_order_relaxed) & VIRTIO_STATUS_DEVICE_NEEDS_RESET) != 0;
    }
    void queue_stopped(uint16_t index) override;

    const TransportMetrics& metrics() const { return metrics_; }

private:
    enum class Phase : uint8_t {
        kIdle,           // QueueReady is 0
        kReady,          // set up; the I/O thread starts it when the driver is ready
        kRunning,        // the device has it
        kStopRequested,  // the driver wants it back; the I/O thread tells the device
        kStopping,       // the device has been told; queue_stopped() ends it
    };

    struct Queue {
        EventFd kick;
        uint16_t max_size;
        VirtqueueLayout layout{};  // as the driver wrote it
        Phase phase = Phase::kIdle;
        bool reset = false;                    // QueueReset
        std::optional<Virtqueue> virtqueue{};  // while kReady

        bool is_stopping() const {
            return phase == Phase::kStopRequested || phase == Phase::kStopping;
        }
    };

    MmioTransport(std::string name, VirtioDevice& device, const GuestMemory& memory,
                  const EventFd& interrupt, std::span<std::byte> page, EventFd control,
                  std::vector<Queue> queues, std::chrono::milliseconds patience);

    // The next ones are called with mutex_ held.
    void set_status(uint8_t status);
    // Brings the registers that depend on a selector up to date.
    void show_selected();
    void write_register(MmioRegister which, uint32_t value);
    void write_driver_features(uint32_t value);
    void write_status(uint32_t value);
    void write_queue_ready(Queue& queue, uint32_t value);
    void write_queue_reset(Queue& queue, uint32_t value);
    void write_queue_layout(Queue& queue, MmioRegister which, uint32_t value);

    // The queue that QueueSel selects, or nullptr.
    const Queue* selected() const;
    bool has_status(uint8_t bits) const { return (status_.load() & bits) == bits; }
    bool may_set_up_queues() const;
    bool accepts_driver_features() const;
    bool is_stopping() const;
    void make_ready(Queue& queue);
    void stop(Queue& queue);
    void begin_reset();
    void finish_reset();
    void fail_locked(const Error& why);
    void raise_config();
    void raise(uint32_t interrupt_bits);

    // Of create(), with nobody else there.
    Result<> go_on_from(const MmioTransportState& state);
    Result<> check_features(const MmioTransportState& state) const;
    Result<> go_on_from(const MmioQueueState& state, Queue& queue);

    // I/O thread, without it.
    void stop_queues();
    void start_queues();

    const std::string name_;
    VirtioDevice& device_;
    const GuestMemory memory_;
    const EventFd& interrupt_;
    const EventFd control_;
    const std::chrono::milliseconds patience_;
    const uint64_t offered_features_;

    mutable std::mutex mutex_;  // guards all below, save that any thread may load the atomics
    ConditionVariable stopped_;
    std::atomic<uint8_t> status_ = 0;
    RegisterPage page_;
    uint32_t device_features_sel_ = 0;
    uint32_t driver_features_sel_ = 0;
    uint64_t driver_features_ = 0;
    uint32_t queue_sel_ = 0;
    size_t config_bytes_;
    std::vector<Queue> queues_;  // the vector itself and the kicks never change
    bool is_activated_ = false;  // the I/O thread has seen DRIVER_OK
    bool is_resetting_ = false;
    std::atomic<uint32_t> owed_interrupts_ = 0;  // on_control() raises them
    LogLimit complaints_{guest_log_budget()};
    TransportMetrics metrics_;

    std::vector<bool> is_running_;  // by queue; of the I/O thread
};
