// How much of a device's traffic may pass: bytes and operations, each by a token bucket. One per
// drive and one per direction of a NIC. Owned by the device; the I/O thread.
//
// A device asks before it starts a request, and when it is refused it sets a timer and leaves the
// rest in the queue. The time is the caller's: monotonic, in ns.
#pragma once

#include <cstdint>
#include <optional>

#include "virtio/token_bucket.hpp"

struct RateLimiterConfig {
    TokenBucketConfig bandwidth;  // in bytes
    TokenBucketConfig ops;        // in operations

    bool operator==(const RateLimiterConfig&) const = default;
};

struct RateLimiterState {
    RateLimiterConfig config;
    TokenBucketState bandwidth;
    TokenBucketState ops;

    bool operator==(const RateLimiterState&) const = default;
};

class RateLimiter {
public:
    // Limits nothing.
    RateLimiter() : RateLimiter({}, 0) {}
    RateLimiter(const RateLimiterConfig& config, uint64_t now_ns)
        : config_(config), bandwidth_(config.bandwidth, now_ns), ops_(config.ops, now_ns) {}

    // As full as `state` says, by the clock that says `now_ns`. Errors: as TokenBucket::create().
    static Result<RateLimiter> create(const RateLimiterState& state, uint64_t now_ns);
    RateLimiterState save(uint64_t now_ns) const {
        return {.config = config_, .bandwidth = bandwidth_.save(now_ns), .ops = ops_.save(now_ns)};
    }

    // One operation of `bytes`: takes its tokens and returns nothing if it may pass now; else takes
    // none and returns the time in ns at which to ask again, and then it passes.
    std::optional<uint64_t> take(uint64_t bytes, uint64_t now_ns) {
        if (!bandwidth_.is_limited() && !ops_.is_limited()) return {};
        return take_limited(bytes, now_ns);
    }

    // The two halves of take(), for traffic whose size is known only afterwards, such as frames
    // that come in: a frame may start while anything at all may pass, and is charged when it is
    // there. What it took too much is repaid before the next.
    std::optional<uint64_t> blocked_until(uint64_t now_ns) { return blocked_until(1, now_ns); }
    void charge(uint64_t bytes, uint64_t now_ns);

    // While running. See TokenBucket::change for what becomes of the fill.
    void change_bandwidth(const TokenBucketConfig& config, uint64_t now_ns) {
        config_.bandwidth = config;
        bandwidth_.change(config, now_ns);
    }
    void change_ops(const TokenBucketConfig& config, uint64_t now_ns) {
        config_.ops = config;
        ops_.change(config, now_ns);
    }
    // A bucket whose numbers stay is left as it is, its burst too.
    void change(const RateLimiterConfig& config, uint64_t now_ns) {
        if (config.bandwidth != config_.bandwidth) change_bandwidth(config.bandwidth, now_ns);
        if (config.ops != config_.ops) change_ops(config.ops, now_ns);
    }

private:
    std::optional<uint64_t> take_limited(uint64_t bytes, uint64_t now_ns);
    std::optional<uint64_t> blocked_until(uint64_t bytes, uint64_t now_ns);

    RateLimiterConfig config_;
    TokenBucket bandwidth_;
    TokenBucket ops_;
};
