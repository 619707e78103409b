// The interrupts of one device, by Firecracker's names. Any thread may read.
#pragma once

#include "base/counter.hpp"

struct TransportMetrics {
    Counter triggers;        // used buffers; of the I/O thread
    Counter config_updates;  // the configuration space, or the status; under the transport's lock
};
