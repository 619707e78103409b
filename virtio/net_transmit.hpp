// The transmit queue of a network device: each chain, its header first, is one write to the TAP,
// straight out of guest memory. Virtio 1.2 §5.1.6.2. I/O thread.
#pragma once

#include <memory>
#include <vector>

#include "base/passkey.hpp"
#include "virtio/net_queue.hpp"

class NetTransmitter final : public NetQueue {
public:
    // Errors: as IoEngine::add_target().
    static Result<std::unique_ptr<NetTransmitter>> create(IoEngine& engine, IoFile tap,
                                                          const RateLimiterConfig& limits,
                                                          TapListener& listener,
                                                          NetMetrics& metrics);
    NetTransmitter(Passkey<NetTransmitter> /*key*/, IoEngine& engine, IoFile tap,
                   const RateLimiterConfig& limits, TapListener& listener, NetMetrics& metrics)
        : NetQueue(VIRTIO_NET_TRANSMITQ, engine, tap, limits, listener, metrics) {}

private:
    // Taken in one round. Less than a queue full, so that the driver refills the one part of its
    // queue while the kernel works on the other, and other devices come in between.
    static constexpr size_t kFramesPerRound = 32;

    struct Frame {
        bool is_in_flight = false;
        bool waits_for_tap = false;  // in flight is a poll
        uint16_t head = 0;
        uint32_t generation = 0;
        std::vector<iovec> vectors{};
    };

    void cancel() override;
    Result<bool> serve() override;
    bool wants_kicks() const override { return true; }
    void forget() override;
    void complete(const IoCompletion& completion) override;

    // True if the frame was taken; false if it has to wait for the limiter.
    Result<bool> take(uint16_t head);
    bool is_unsent(uint16_t slot, int result) const;
    void go_on(uint16_t slot, int result);
    bool send_kept();
    void write(uint16_t slot);
    void wait_for_tap(uint16_t slot);
    uint16_t take_slot();

    std::vector<Frame> frames_;  // by slot: as many as ever were in flight at once
    std::vector<uint16_t> free_;
    std::vector<uint16_t> kept_;  // with frames that could not be sent before the VM was paused
};
