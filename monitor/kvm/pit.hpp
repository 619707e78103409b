// The 8254 timer of a PC as KVM keeps it, before a guest has it.
#pragma once

#include <linux/kvm.h>

#include <cstdint>

// The ports of an 8254 and what it drives.
namespace pit_port {

constexpr uint16_t kCounters = 0x40;
constexpr uint16_t kControl = 0x43;
constexpr uint16_t kSystemB = 0x61;  // gates counter 2, and shows its output

}  // namespace pit_port

// An 8254 as it comes out of a reset in KVM.
kvm_pit_state2 pit_after_reset();

// What the write of `value` to one of its ports makes of an 8254 that nobody has touched (Intel
// 8254 data sheet, "Control Word Format"): counters are to be loaded from `state` as it then is.
void write_untouched_pit(kvm_pit_state2& state, uint16_t port, uint8_t value);
