// A token bucket: how much may pass now, and when more may. Arithmetic alone: the time is an
// argument (any clock that does not go back, in ns), so that whoever owns it decides about clocks
// and timers. Owned by a rate limiter; one thread.
//
// The three numbers mean what they mean in Firecracker's API (TokenBucket).
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.hpp"

struct TokenBucketConfig {
    uint64_t size = 0;            // tokens it holds, and gains in each refill time
    uint64_t one_time_burst = 0;  // tokens on top, spent first and never refilled
    uint64_t refill_time_ms = 0;  // from empty to full

    bool operator==(const TokenBucketConfig&) const = default;

    // A bucket with no size or no refill time limits nothing.
    bool is_limited() const { return size != 0 && refill_time_ms != 0; }
};

// How full a bucket is, at the time of save(). Whatever clock it goes on by, it goes on from there.
struct TokenBucketState {
    uint64_t level = 0;     // tokens that are there, the burst apart, or that are owed
    bool owes = false;      // which of the two
    uint64_t fraction = 0;  // of a token gained, in parts of the refill time's nanoseconds
    uint64_t burst = 0;     // tokens left of it

    bool operator==(const TokenBucketState&) const = default;
};

class TokenBucket {
public:
    // Full at first.
    TokenBucket(const TokenBucketConfig& config, uint64_t now_ns);

    // As full as `state` says. Errors: EINVAL (no bucket of `config` can be so).
    static Result<TokenBucket> create(const TokenBucketConfig& config,
                                      const TokenBucketState& state, uint64_t now_ns);
    TokenBucketState save(uint64_t now_ns) const;

    bool is_limited() const { return refill_ns_ != 0; }

    // When `tokens` may pass: nothing if they may now, else the time in ns at which they may if
    // nobody else takes any. What exceeds the size may pass when the bucket is full.
    std::optional<uint64_t> blocked_until(uint64_t tokens, uint64_t now_ns);

    // Takes `tokens`, also if they may not pass; then the bucket owes them, and nothing passes
    // before they are repaid.
    void take(uint64_t tokens, uint64_t now_ns);

    // Takes as many of `tokens` as may pass now: for what is given up rather than kept waiting.
    uint64_t take_what_may_pass(uint64_t tokens, uint64_t now_ns);

    // From now on by other numbers. The fill keeps its proportion: full stays full, empty stays
    // empty, and a debt is repaid in as many refill times as before. The burst is granted anew.
    void change(const TokenBucketConfig& config, uint64_t now_ns);

private:
    // Twice the width of a token count: products and sums of two cannot overflow.
    __extension__ using Wide = unsigned __int128;
    __extension__ using SignedWide = __int128;

    void refill(uint64_t now_ns);
    uint64_t time_to_gain(Wide tokens) const;

    uint64_t size_ = 0;
    uint64_t burst_ = 0;
    uint64_t refill_ns_ = 0;  // 0: limits nothing
    SignedWide level_ = 0;    // negative: owed
    uint64_t fraction_ = 0;   // of a token gained, in 1/refill_ns_
    uint64_t refilled_at_ns_ = 0;
};
