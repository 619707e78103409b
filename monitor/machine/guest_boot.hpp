// From a Config to guest RAM that is ready to run: kernel, initrd, boot parameters, page tables and
// firmware tables, in the order in which they depend on each other. Main thread.
#pragma once

#include "base/result.hpp"
#include "monitor/kvm/cpu_state.hpp"
#include "monitor/machine/config.hpp"
#include "monitor/machine/host_files.hpp"
#include "monitor/memory/guest_ram.hpp"
#include "monitor/metrics/timeline.hpp"

// Whether the guest has something better to calibrate its clocks by than an 8254 timer.
enum class PitNeed { kNone, kForCalibration };

struct BootPlan {
    EntryState entry;
    PitNeed pit = PitNeed::kNone;
    bool looks_after_serial_writes = false;  // see monitor/kvm/coalesced_output
};

// Fills `ram`. Errors name the file, as long as `images` are there, and the field at fault; no
// guest byte has run then.
Result<BootPlan> prepare_guest(const Config& config, const BootImages& images, const GuestRam& ram,
                               Timeline& timeline);
