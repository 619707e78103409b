// How long the last output may wait for its reader. Main.
#pragma once

#include <algorithm>
#include <cstdint>

class DrainLimit {
public:
    static constexpr uint64_t kNever = UINT64_MAX;
    static constexpr uint64_t kStandstillNs = 1'000'000'000;
    static constexpr uint64_t kMostNs = 5'000'000'000;

    // Until `from_ns` (monotonic; kNever) the reader has all the time that it wants. Afterwards it
    // is waited for as long as it goes on reading within kStandstillNs, and kMostNs in all.
    explicit constexpr DrainLimit(uint64_t from_ns) : from_ns_(from_ns) {}

    // When the reader that last took something at `moved_ns` is given up.
    constexpr uint64_t end_ns(uint64_t moved_ns) const {
        if (from_ns_ == kNever) return kNever;
        return std::min(from_ns_ + kMostNs, std::max(from_ns_, moved_ns) + kStandstillNs);
    }

private:
    uint64_t from_ns_;
};
