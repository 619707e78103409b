// What the keyboard controller counts, by Firecracker's names. Counted under its lock, save the
// resets, which several vCPUs may ask for at once; read by any thread.
#pragma once

#include "base/counter.hpp"

struct I8042Metrics {
    Counter read_count;
    Counter write_count;
    Counter missed_read_count;   // of ports that are nobody's
    Counter missed_write_count;  // what this controller does not know, or nobody is there for
    SharedCounter reset_count;
};
