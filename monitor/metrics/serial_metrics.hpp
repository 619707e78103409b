// What the serial port counts, by Firecracker's names. Counted under its lock, read by any thread.
#pragma once

#include "base/counter.hpp"

struct SerialMetrics {
    Counter error_count;        // bytes that overran the receiver, in loopback
    Counter read_count;         // bytes that the guest has read
    Counter write_count;        // bytes that it has written
    Counter missed_read_count;  // reads that found no byte
};
