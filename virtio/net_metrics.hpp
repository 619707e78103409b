// What a NIC counts, by Firecracker's names where it has them; "rx" is what the guest receives. The
// I/O thread counts, any thread may read.
#pragma once

#include "base/counter.hpp"

struct NetMetrics {
    Counter activate_fails;               // the TAP did not take what was negotiated
    Counter event_fails;                  // times the driver broke the protocol, and was given up
    Counter no_rx_avail_buffer;           // times a frame may have waited for buffers
    Counter rx_queue_event_count;         // kicks
    Counter rx_event_rate_limiter_count;  // times the limiter let the queue go on
    Counter rx_rate_limiter_throttled;    // times it held the queue up
    Counter rx_tap_event_count;           // times the TAP had frames again
    Counter rx_bytes_count;               // without virtio-net headers
    Counter rx_packets_count;
    Counter rx_fails;            // frames that were lost on their way to the guest
    Counter tap_read_fails;      // other failed reads
    Counter no_tx_avail_buffer;  // kicks that found nothing in the queue
    Counter tx_queue_event_count;
    Counter tx_rate_limiter_event_count;
    Counter tx_rate_limiter_throttled;
    Counter tx_bytes_count;
    Counter tx_packets_count;
    Counter tx_fails;             // frames that were lost: the TAP refused them, or was gone
    Counter tap_write_fails;      // those that it refused
    Counter tx_malformed_frames;  // too short for their header
};
