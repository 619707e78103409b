#include "monitor/api/rate_limits.hpp"

#include <limits>

namespace {

Result<std::optional<TokenBucketConfig>> find_bucket(JsonFields& limiter, const char* name) {
    constexpr uint64_t kMostSigned = std::numeric_limits<int64_t>::max();
    const JsonNode* const object = TRY(limiter.object(name));
    if (object == nullptr) return std::optional<TokenBucketConfig>{};
    JsonFields fields = TRY(JsonFields::of(*object, name));
    TokenBucketConfig bucket;
    bucket.size = TRY(fields.required_number("size", 0, kMostSigned));
    bucket.refill_time_ms = TRY(fields.required_number("refill_time", 0, kMostSigned));
    bucket.one_time_burst = TRY(fields.number("one_time_burst", 0, kMostSigned)).value_or(0);
    TRY(fields.done());
    return std::optional(bucket);
}

}  // namespace

Result<TokenBucketConfig> parse_bucket(JsonFields& owner, const char* name) {
    return TRY(find_bucket(owner, name)).value_or(TokenBucketConfig{});
}

void write_bucket(const char* name, const TokenBucketConfig& bucket, JsonWriter& out) {
    if (!bucket.is_limited()) return out.null(name);
    out.object(name, [&] {
        out.number("size", bucket.size);
        // As Firecracker: a client compares what it set with what it is told.
        if (bucket.one_time_burst == 0)
            out.null("one_time_burst");
        else
            out.number("one_time_burst", bucket.one_time_burst);
        out.number("refill_time", bucket.refill_time_ms);
    });
}

Result<LimitsChange> parse_limits(JsonFields& owner, const char* name) {
    const JsonNode* const object = TRY(owner.object(name));
    if (object == nullptr) return LimitsChange{};
    JsonFields fields = TRY(JsonFields::of(*object, name));
    LimitsChange limits;
    limits.bandwidth = TRY(find_bucket(fields, "bandwidth"));
    limits.ops = TRY(find_bucket(fields, "ops"));
    TRY(fields.done());
    return limits;
}

void apply(const LimitsChange& change, RateLimiterConfig& limits) {
    if (change.bandwidth.has_value()) limits.bandwidth = *change.bandwidth;
    if (change.ops.has_value()) limits.ops = *change.ops;
}

Result<RateLimiterConfig> parse_whole_limits(JsonFields& owner, const char* name) {
    RateLimiterConfig limits;
    apply(TRY(parse_limits(owner, name)), limits);
    return limits;
}

void write_limits(const char* name, const RateLimiterConfig& limits, JsonWriter& out) {
    if (!limits.bandwidth.is_limited() && !limits.ops.is_limited()) return out.null(name);
    out.object(name, [&] {
        write_bucket("bandwidth", limits.bandwidth, out);
        write_bucket("ops", limits.ops, out);
    });
}
