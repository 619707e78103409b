// From a MachineShape and what it boots from to guest RAM that is ready to run: kernel, initrd,
// boot parameters, page tables and firmware tables, in the order in which they depend on each
// other. Main thread.
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "monitor/boot/placement.hpp"
#include "monitor/kvm/cpu_state.hpp"
#include "monitor/machine/host_files.hpp"
#include "monitor/machine/shape.hpp"
#include "monitor/memory/guest_ram.hpp"
#include "monitor/metrics/timeline.hpp"

// Whether the guest has something better to calibrate its clocks by than an 8254 timer.
enum class PitNeed { kNone, kForCalibration };

struct BootPlan {
    EntryState entry;
    PitNeed pit = PitNeed::kNone;
    bool looks_after_serial_writes = false;  // see monitor/kvm/coalesced_output
};

// Where a machine begins: by booting. (Not from a state that was saved.)
struct BootOrigin {
    const BootImages& images;
    std::string_view initrd_appended{};  // an archive behind the initrd, or alone
    ImagePages pages = ImagePages::kShared;
};

// Fills `ram`. Errors name the file and the field at fault; no guest byte has run then.
Result<BootPlan> prepare_guest(const MachineShape& shape, const BootOrigin& origin,
                               const GuestRam& ram, Timeline& timeline);
