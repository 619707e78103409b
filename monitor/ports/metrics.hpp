// What the devices on ports count, by Firecracker's names. Any thread may read.
#pragma once

#include "base/counter.hpp"

// Counted under the serial port's lock.
struct SerialMetrics {
    Counter error_count;        // bytes that overran the receiver, in loopback
    Counter read_count;         // bytes that the guest has read
    Counter write_count;        // bytes that it has written
    Counter missed_read_count;  // reads that found no byte
};

// Counted under the keyboard controller's lock, save the resets, which several vCPUs may ask for.
struct I8042Metrics {
    Counter read_count;
    Counter write_count;
    Counter missed_read_count;   // of ports that are nobody's
    Counter missed_write_count;  // what this controller does not know, or nobody is there for
    SharedCounter reset_count;
};
