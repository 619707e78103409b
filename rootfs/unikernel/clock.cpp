#include "rootfs/unikernel/clock.hpp"

#include "rootfs/unikernel/instructions.hpp"

namespace {

// The hypervisor's own leaf: VMware's "CPUID Hypervisor Interface", EAX = TSC frequency in kHz.
// KVM monitors offer it too.
constexpr uint32_t kHypervisorLeaves = 0x40000000;
constexpr uint32_t kHypervisorTiming = 0x40000010;
constexpr uint32_t kHypervisorPresent = uint32_t{1} << 31;  // leaf 1, ECX

// Intel SDM vol. 2A, CPUID: the TSC runs at EBX / EAX times the crystal's ECX Hz.
constexpr uint32_t kTscAndCrystal = 0x15;

uint64_t tsc_khz() {
    if ((cpuid(1).ecx & kHypervisorPresent) != 0 &&
        cpuid(kHypervisorLeaves).eax >= kHypervisorTiming) {
        const uint32_t khz = cpuid(kHypervisorTiming).eax;
        if (khz != 0) return khz;
    }
    if (cpuid(0).eax >= kTscAndCrystal) {
        const CpuidLeaf tsc = cpuid(kTscAndCrystal);
        if (tsc.eax != 0) return uint64_t{tsc.ecx} * tsc.ebx / tsc.eax / 1000;
    }
    return 0;
}

}  // namespace

Clock::Clock() : khz_(tsc_khz()) {}

void Clock::describe(uint64_t ticks, Text& text) const {
    if (khz_ == 0) {
        text.add(ticks).add(" ticks");
    } else {
        // Whole milliseconds first: ticks * 1000 overflows on a machine that is up for a month.
        text.add(ticks / khz_ * 1000 + ticks % khz_ * 1000 / khz_).add(" us");
    }
}
