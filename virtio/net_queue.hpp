// What the two queues of a network device have in common: they stop, they fail, and their TAP may
// go away. Virtio 1.2 §5.1. I/O thread.
#pragma once

#include <cerrno>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/io_engine.hpp"
#include "base/pinned.hpp"
#include "virtio/chain.hpp"
#include "virtio/device.hpp"
#include "virtio/net_metrics.hpp"
#include "virtio/rate_limiter.hpp"
#include "virtio/spec.hpp"
#include "virtio/virtqueue.hpp"

// Bytes before every frame, in guest memory and in the TAP's stream alike.
constexpr uint32_t kNetHeaderBytes = sizeof(virtio_net_hdr_v1);

// Is told that the TAP does not work any more.
class TapListener {
public:
    virtual void tap_is_gone(int error) = 0;

protected:
    ~TapListener() = default;
};

class NetQueue : protected IoTarget, private Pinned {
public:
    void attach(VirtioTransport& transport) { transport_ = &transport; }

    void start(Virtqueue queue);
    // Cancels what is with the kernel; queue_stopped() is called when all of it has ended.
    void stop();
    // The VM is over: nothing is begun any more, and what is with the kernel is cancelled.
    void wind_down();

    // The driver may have added chains; work() follows in the same round.
    void on_kick() {
        was_kicked_ = true;
        (receives() ? metrics_.rx_queue_event_count : metrics_.tx_queue_event_count).add();
    }

    // As IoWorker's. `now_ns`: the monotonic clock.
    bool work(uint64_t now_ns);
    bool before_wait();
    std::optional<uint64_t> blocked_until_ns() const {
        return is_held_ ? std::nullopt : blocked_until_ns_;
    }
    bool is_in_flight() const { return in_flight_ > 0; }
    // See Net.
    bool is_still() const { return in_flight_ == 0 && !(has_pushed_ && is_running()); }
    bool has_tap() const { return has_tap_; }

    void change_limits(const RateLimiterConfig& limits, uint64_t now_ns);
    // Before start(). Errors: as RateLimiter::create().
    Result<> set_limits(const RateLimiterState& limits, uint64_t now_ns);
    RateLimiterState save_limits(uint64_t now_ns) const { return limiter_.save(now_ns); }
    // See VirtioDevice.
    VirtqueueState save() const { return queue_->save(); }
    // See Net.
    void hold(bool holds);
    // The TAP is gone: from now on nothing is received, and what is transmitted is lost.
    void give_up_tap() { has_tap_ = false; }

protected:
    NetQueue(uint16_t index, IoEngine& engine, IoFile tap, const RateLimiterConfig& limits,
             TapListener& listener, NetMetrics& metrics)
        : engine_(engine),
          tap_(tap),
          limiter_(limits, 0),
          metrics_(metrics),
          index_(index),
          listener_(listener) {}
    ~NetQueue() = default;

    // Errors: as IoEngine::add_target().
    Result<> join_engine();

    bool is_running() const {
        return queue_.has_value() && !is_stopping_ && !is_over_ && !transport_->has_failed();
    }
    bool is_held() const { return is_held_; }
    Virtqueue& queue() { return *queue_; }
    IoTag tag(uint16_t slot, uint32_t generation) const { return {target_, slot, generation}; }
    uint64_t now_ns() const { return now_ns_; }

    // Cancels what is with the kernel.
    virtual void cancel() = 0;
    // Begins what can be. True if that was anything.
    virtual Result<bool> serve() = 0;
    // True if the driver's kicks are of use now.
    virtual bool wants_kicks() const = 0;
    // The queue is gone: forget what belonged to it. Nothing is in flight.
    virtual void forget() = 0;

    // A request has ended while the queue was not running.
    void end_if_stopped();
    void fail(const Error& why) {
        metrics_.event_fails.add();
        transport_->fail(why);
    }
    void count(int requests) { in_flight_ += static_cast<size_t>(requests); }

    IoEngine& engine_;
    const IoFile tap_;
    RateLimiter limiter_;
    std::vector<Segment> segments_;               // of the chain that is being looked at
    std::optional<uint64_t> blocked_until_ns_{};  // by the limiter
    bool has_pushed_ = false;                     // since the last publish()
    bool was_kicked_ = false;                     // since the queue was last looked at
    NetMetrics& metrics_;

    // Nothing has happened, because cancel() came first.
    static bool was_cancelled(int result) { return result == -ECANCELED || result == -EINTR; }

    // Errors of the kernel that say that the interface behind the descriptor is gone.
    bool is_gone(int result);

private:
    bool receives() const { return index_ == VIRTIO_NET_RECEIVEQ; }
    Result<bool> serve_and_publish();
    Result<bool> publish();

    const uint16_t index_;
    TapListener& listener_;
    VirtioTransport* transport_ = nullptr;
    uint16_t target_ = 0;
    std::optional<Virtqueue> queue_{};
    size_t in_flight_ = 0;
    uint64_t now_ns_ = 0;
    bool is_over_ = false;  // wind_down() was called
    bool is_stopping_ = false;
    bool is_held_ = false;
    bool has_tap_ = true;
};
