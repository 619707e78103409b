// What a drive counts, by Firecracker's names where it has them. The I/O thread counts, any thread
// may read.
#pragma once

#include "base/counter.hpp"

struct BlockMetrics {
    Counter no_avail_buffer;     // kicks that found nothing in the queue
    Counter event_fails;         // times the driver broke the protocol, and was given up
    Counter execute_fails;       // requests answered with IOERR
    Counter invalid_reqs_count;  // requests answered with UNSUPP
    Counter flush_count;         // those that succeeded, like the next four
    Counter read_bytes;
    Counter write_bytes;
    Counter read_count;
    Counter write_count;
    Counter queue_event_count;              // kicks
    Counter rate_limiter_event_count;       // times the limiter let the queue go on
    Counter rate_limiter_throttled_events;  // times it held the queue up
    Counter io_engine_throttled_events;  // transfers that the kernel wanted to be asked for again
    Counter update_count;                // changes while the VM ran
};
