// What of a processor VMs of different tenants share, and a host's kernel can keep apart: by
// prctl(2), before filters are installed. Linux
// Documentation/admin-guide/hw-vuln/core-scheduling.rst and
// Documentation/userspace-api/spec_ctrl.rst.
#pragma once

#include <cstdint>

#include "base/result.hpp"

// Of something that a host may lack.
enum class Measure : uint8_t {
    kNone,
    kWherePossible,  // what the host lacks is not told
    kDemanded,       // ... is an error
};

// No thread of another process runs on a core beside one of this process, and of those that it
// starts: threads of one core share its first-level caches and buffers. Main thread. Errors: this
// kernel has no core scheduling; a host without SMT needs none.
Result<> keep_cores_apart(Measure measure);

// The calling thread, and those that it starts, do not run ahead of stores whose address is not
// known yet (SSBD). Errors: this kernel cannot; a processor that does not do so anyway is well.
Result<> wait_for_stores(Measure measure);

// KSM merges no pages of this process with those of another, whatever started it has asked for.
void keep_pages_apart();
