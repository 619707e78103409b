// The document of a rate limiter, which drives and network interfaces have among their fields. API
// thread, or main with a configuration file.
#pragma once

#include <optional>

#include "base/result.hpp"
#include "monitor/api/json.hpp"
#include "virtio/rate_limiter.hpp"

// A bucket that is absent stays as it is; one that limits nothing takes the limit away.
struct LimitsChange {
    std::optional<TokenBucketConfig> bandwidth{};
    std::optional<TokenBucketConfig> ops{};

    bool is_empty() const { return !bandwidth.has_value() && !ops.has_value(); }
};

Result<LimitsChange> parse_limits(JsonFields& owner, const char* name);
void apply(const LimitsChange& change, RateLimiterConfig& limits);

// The same where nothing was limited before.
Result<RateLimiterConfig> parse_whole_limits(JsonFields& owner, const char* name);

// A bucket that stands alone among the fields; none: nothing is limited.
Result<TokenBucketConfig> parse_bucket(JsonFields& owner, const char* name);
void write_bucket(const char* name, const TokenBucketConfig& bucket, JsonWriter& out);

// Nothing of what limits nothing.
void write_limits(const char* name, const RateLimiterConfig& limits, JsonWriter& out);
