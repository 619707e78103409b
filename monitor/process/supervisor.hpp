// What main does while the guest runs: it waits for the VM's end, whoever brings it about, and
// passes signals on.
#pragma once

#include <cstdint>

#include "base/event_fd.hpp"
#include "monitor/console/terminal.hpp"
#include "monitor/machine/machine.hpp"
#include "monitor/machine/signals.hpp"
#include "monitor/metrics/observation.hpp"

struct Supervision {
    Machine& machine;
    const Signals& signals;
    const EventFd& memory_lost;
    const Terminal& terminal;
    uint64_t end_ns = UINT64_MAX;  // of the guest's time, on the monotonic clock
    int hangup_fd = -1;            // readable when who controls the VM is gone; -1: nobody does so
    Observation* metrics =
        nullptr;  // whose lines are main's to write; nullptr: nobody's, or another's
};

// Returns when the VM's ending has been reported, by others or here.
void wait_for_end(const Supervision& supervision);
