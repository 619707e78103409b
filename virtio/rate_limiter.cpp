#include "virtio/rate_limiter.hpp"

#include <algorithm>

Result<RateLimiter> RateLimiter::create(const RateLimiterState& state, uint64_t now_ns) {
    RateLimiter limiter;
    limiter.config_ = state.config;
    limiter.bandwidth_ = TRY(TokenBucket::create(state.config.bandwidth, state.bandwidth, now_ns));
    limiter.ops_ = TRY(TokenBucket::create(state.config.ops, state.ops, now_ns));
    return limiter;
}

std::optional<uint64_t> RateLimiter::blocked_until(uint64_t bytes, uint64_t now_ns) {
    // An empty optional is less than any time.
    return std::max(bandwidth_.blocked_until(bytes, now_ns), ops_.blocked_until(1, now_ns));
}

std::optional<uint64_t> RateLimiter::take_limited(uint64_t bytes, uint64_t now_ns) {
    const std::optional<uint64_t> later = blocked_until(bytes, now_ns);
    if (!later) charge(bytes, now_ns);
    return later;
}

void RateLimiter::charge(uint64_t bytes, uint64_t now_ns) {
    bandwidth_.take(bytes, now_ns);
    ops_.take(1, now_ns);
}
