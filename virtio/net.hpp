// virtio-net: a receive queue and a transmit queue onto a TAP. Virtio 1.2 §5.1.
//
// No frame is copied in user space, either way, and the host's TAP does the offloads that the
// driver negotiates. A TAP that goes away is reported once, the guest sees its link go down, and
// lives on.
//
// Created by the main thread; then of the I/O thread alone.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "base/io_loop.hpp"
#include "base/passkey.hpp"
#include "virtio/device.hpp"
#include "virtio/device_state.hpp"
#include "virtio/net_metrics.hpp"
#include "virtio/net_receive.hpp"
#include "virtio/net_transmit.hpp"
#include "virtio/spec.hpp"
#include "virtio/tap.hpp"

using MacAddress = std::array<uint8_t, 6>;

struct NetConfig {
    std::string id;  // for the log
    MacAddress mac{};
    std::optional<uint16_t> mtu{};  // told to the driver, if there is one
    RateLimiterConfig receive_limits{};
    RateLimiterConfig transmit_limits{};
};

class Net final : public VirtioDevice, public IoWorker, private TapListener {
public:
    static constexpr uint16_t kQueueSize = 256;

    // Adds the TAP to `engine`, which has not started and outlives the device.
    // `state`, at `now_ns` of the monotonic clock: of a NIC that goes on where another one stood.
    // Errors: as IoEngine::add_file() and add_target(); RateLimiter::create(), about the id.
    static Result<std::unique_ptr<Net>> create(Tap tap, const NetConfig& config, IoEngine& engine,
                                               const NetState& state = {}, uint64_t now_ns = 0);
    Net(Passkey<Net> key, Tap tap, const NetConfig& config);

    // I/O thread, at any time.
    void change_receive_limits(const RateLimiterConfig& limits, uint64_t now_ns) {
        receiver_->change_limits(limits, now_ns);
    }
    void change_transmit_limits(const RateLimiterConfig& limits, uint64_t now_ns) {
        transmitter_->change_limits(limits, now_ns);
    }

    // The VM is paused, or not any more: frames wait, either way. What is with the kernel is
    // cancelled, and what has come to an end before that is told to the driver; then it is still.
    // I/O thread.
    void hold(bool holds) {
        receiver_->hold(holds);
        transmitter_->hold(holds);
    }
    // Nothing is with the kernel, and the driver has been told of all that is done: while it is
    // held, it stays so. I/O thread.
    bool is_still() const { return receiver_->is_still() && transmitter_->is_still(); }

    // I/O thread.
    NetState save(uint64_t now_ns) const {
        return {.receive_limits = receiver_->save_limits(now_ns),
                .transmit_limits = transmitter_->save_limits(now_ns)};
    }

    const NetMetrics& metrics() const { return metrics_; }

    // VirtioDevice
    uint32_t device_id() const override { return VIRTIO_ID_NET; }
    uint64_t offered_features() const override;
    std::span<const uint16_t> max_queue_sizes() const override { return kMaxQueueSizes; }
    std::span<const std::byte> config() const override;
    void attach(VirtioTransport& transport) override;
    Result<> activate(uint64_t features) override;
    void start_queue(uint16_t index, Virtqueue queue) override;
    void on_kick(uint16_t index) override;
    VirtqueueState save_queue(uint16_t index) const override { return queue(index).save(); }
    void stop_queue(uint16_t index) override;

    // IoWorker
    bool work(uint64_t now_ns) override;
    bool before_wait() override;
    uint64_t deadline_ns() const override;
    void wind_down() override;
    bool is_in_flight() const override;

private:
    NetQueue& queue(uint16_t index) const;
    Result<> go_on_from(const NetState& state, uint64_t now_ns);
    void tap_is_gone(int error) override;

    static constexpr std::array<uint16_t, 2> kMaxQueueSizes{kQueueSize, kQueueSize};

    const Tap tap_;
    const std::string id_;
    const bool has_mtu_;
    virtio_net_config config_{};
    VirtioTransport* transport_ = nullptr;
    NetMetrics metrics_;  // of the queues too, which refer to it
    std::unique_ptr<NetReceiver> receiver_;
    std::unique_ptr<NetTransmitter> transmitter_;
};
