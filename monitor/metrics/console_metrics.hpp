// What the serial line's way out counts, by Firecracker's names. Counted under its lock, read by
// any thread.
#pragma once

#include "base/counter.hpp"

struct ConsoleMetrics {
    Counter missed_write_count;  // bytes that were lost to a reader that stood still or was gone
    Counter rate_limiter_dropped_bytes;  // that the line's rate limiter left no room for
    Counter flush_count;  // times that bytes had waited for the reader, and were written
};
