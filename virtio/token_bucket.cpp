#include "virtio/token_bucket.hpp"

#include <algorithm>
#include <limits>

namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kNanosecondsPerMillisecond = 1'000'000;

}  // namespace

TokenBucket::TokenBucket(const TokenBucketConfig& config, uint64_t now_ns) {
    change(config, now_ns);
}

Result<TokenBucket> TokenBucket::create(const TokenBucketConfig& config,
                                        const TokenBucketState& state, uint64_t now_ns) {
    TokenBucket bucket(config, now_ns);
    if (!bucket.is_limited()) return bucket;
    if (!state.owes && state.level > bucket.size_)
        return Error{"token bucket's level", EINVAL, "is more than its size", state.level};
    if (state.fraction >= bucket.refill_ns_)
        return Error{"token bucket's fraction", EINVAL, "is a token or more", state.fraction};
    if (state.burst > config.one_time_burst)
        return Error{"token bucket's burst", EINVAL, "is more than it is at first", state.burst};
    const auto level = static_cast<SignedWide>(state.level);
    bucket.level_ = state.owes ? -level : level;
    bucket.fraction_ = state.fraction;
    bucket.burst_ = state.burst;
    return bucket;
}

TokenBucketState TokenBucket::save(uint64_t now_ns) const {
    if (!is_limited()) return {};
    TokenBucket now = *this;
    now.refill(now_ns);
    const bool owes = now.level_ < 0;
    return {.level = static_cast<uint64_t>(owes ? -now.level_ : now.level_),
            .owes = owes,
            .fraction = now.fraction_,
            .burst = now.burst_};
}

// The time from the last refill until `tokens` more are there, rounded up; kMax if that is beyond
// the clock. Precondition: limited.
uint64_t TokenBucket::time_to_gain(Wide tokens) const {
    // tokens * refill_ns / size, whole refill times apart: the product might not fit.
    const Wide refills = tokens / size_;
    if (refills > kMax / refill_ns_) return kMax;
    // fraction < refill_ns, so it exceeds the part of a refill only if that part is 0.
    const Wide part = tokens % size_ * refill_ns_;
    const Wide whole = refills * refill_ns_;
    const Wide time = part >= fraction_ ? whole + (part - fraction_ + size_ - 1) / size_
                                        : whole - fraction_ / size_;
    return time > kMax ? kMax : static_cast<uint64_t>(time);
}

void TokenBucket::refill(uint64_t now_ns) {
    if (now_ns <= refilled_at_ns_) return;
    const auto missing = static_cast<Wide>(static_cast<SignedWide>(size_) - level_);
    const uint64_t elapsed_ns = now_ns - refilled_at_ns_;
    refilled_at_ns_ = now_ns;
    if (elapsed_ns >= time_to_gain(missing)) {
        level_ = size_;
        fraction_ = 0;  // a full bucket gains nothing
        return;
    }
    // The remainder is kept, so that no number of refills loses or gains a token.
    const Wide gained = Wide{elapsed_ns} * size_ + fraction_;
    level_ += static_cast<SignedWide>(gained / refill_ns_);
    fraction_ = static_cast<uint64_t>(gained % refill_ns_);
}

std::optional<uint64_t> TokenBucket::blocked_until(uint64_t tokens, uint64_t now_ns) {
    if (refill_ns_ == 0 || tokens <= burst_) return std::nullopt;
    refill(now_ns);
    const auto needed = static_cast<SignedWide>(std::min(tokens - burst_, size_));
    if (level_ >= needed) return std::nullopt;
    const uint64_t wait_ns = time_to_gain(static_cast<Wide>(needed - level_));
    return wait_ns > kMax - refilled_at_ns_ ? kMax : refilled_at_ns_ + wait_ns;
}

void TokenBucket::take(uint64_t tokens, uint64_t now_ns) {
    if (refill_ns_ == 0) return;
    refill(now_ns);
    const uint64_t from_burst = std::min(tokens, burst_);
    burst_ -= from_burst;
    // A debt has its limit too, so that the level always has room in its type.
    level_ = std::max(level_ - static_cast<SignedWide>(tokens - from_burst),
                      -static_cast<SignedWide>(kMax));
}

uint64_t TokenBucket::take_what_may_pass(uint64_t tokens, uint64_t now_ns) {
    if (refill_ns_ == 0) return tokens;
    refill(now_ns);
    const Wide there = burst_ + static_cast<Wide>(std::max<SignedWide>(level_, 0));
    const auto passing = static_cast<uint64_t>(std::min<Wide>(tokens, there));
    take(passing, now_ns);
    return passing;
}

void TokenBucket::change(const TokenBucketConfig& config, uint64_t now_ns) {
    const bool was_limited = refill_ns_ != 0;
    if (was_limited) refill(now_ns);
    const uint64_t old_size = size_;
    refilled_at_ns_ = std::max(now_ns, refilled_at_ns_);
    fraction_ = 0;
    burst_ = config.one_time_burst;
    if (!config.is_limited()) {
        refill_ns_ = 0;
        return;
    }
    size_ = config.size;
    refill_ns_ = std::min(config.refill_time_ms, kMax / kNanosecondsPerMillisecond) *
                 kNanosecondsPerMillisecond;
    if (!was_limited) {
        level_ = size_;
        return;
    }
    // level * size / old_size. Every factor is below 2^64, so no product exceeds its type.
    const bool owes = level_ < 0;
    const auto amount = static_cast<Wide>(owes ? -level_ : level_);
    const Wide sizes = std::min<Wide>(amount / old_size * size_, kMax);
    const Wide scaled = std::min<Wide>(sizes + amount % old_size * size_ / old_size, kMax);
    level_ = owes ? -static_cast<SignedWide>(scaled) : static_cast<SignedWide>(scaled);
}
