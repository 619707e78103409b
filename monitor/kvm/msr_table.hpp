// The model-specific registers that are part of a guest's state: what a guest sets and goes by, and
// KVM gives back as it was set. Intel SDM vol. 4; AMD APM vol. 2, appendix A; Linux
// Documentation/virt/kvm/x86/msr.rst.
//
// Left out are those that other structures of KVM hold (EFER, APIC_BASE, FS_BASE and GS_BASE, the
// x2APIC's), that tell of the host and cannot be set (MCG_CAP, PLATFORM_INFO), performance
// counters, and those whose write is an order and no state: KVM_WALL_CLOCK has KVM write the
// time into RAM that may be something else by now, KVM_ASYNC_PF_ACK, PRED_CMD, FLUSH_CMD.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

// Registers one after another.
struct MsrRange {
    uint32_t first;
    uint32_t count;
    const char* name;  // literal, for errors
};

namespace msr {

constexpr uint32_t kTsc = 0x10;
constexpr uint32_t kTscDeadline = 0x6e0;
constexpr uint32_t kUserCet = 0x6a0;
constexpr uint32_t kSupervisorCet = 0x6a2;

// In the order in which they are set: what depends on another comes after it. A deadline that comes
// before its time-stamp counter KVM drops, without a word.
inline constexpr std::array kSaved{
    MsrRange{kTsc, 1, "MSR IA32_TIME_STAMP_COUNTER"},
    MsrRange{0x3a, 1, "MSR IA32_FEATURE_CONTROL"},
    MsrRange{0x3b, 1, "MSR IA32_TSC_ADJUST"},
    MsrRange{0x48, 1, "MSR IA32_SPEC_CTRL"},
    MsrRange{0xe1, 1, "MSR IA32_UMWAIT_CONTROL"},
    MsrRange{0x10a, 1, "MSR IA32_ARCH_CAPABILITIES"},
    MsrRange{0x122, 1, "MSR IA32_TSX_CTRL"},
    MsrRange{0x140, 1, "MSR MISC_FEATURES_ENABLES"},
    MsrRange{0x174, 3, "MSR IA32_SYSENTER"},
    MsrRange{0x17a, 1, "MSR IA32_MCG_STATUS"},
    MsrRange{0x17b, 1, "MSR IA32_MCG_CTL"},
    MsrRange{0x1a0, 1, "MSR IA32_MISC_ENABLE"},
    MsrRange{0x1c4, 2, "MSR IA32_XFD"},
    MsrRange{0x1d9, 1, "MSR IA32_DEBUGCTL"},
    MsrRange{0x1fc, 1, "MSR POWER_CTL"},
    MsrRange{0x200, 16, "MSR IA32_MTRR_PHYS"},
    MsrRange{0x250, 1, "MSR IA32_MTRR_FIX64K"},
    MsrRange{0x258, 2, "MSR IA32_MTRR_FIX16K"},
    MsrRange{0x268, 8, "MSR IA32_MTRR_FIX4K"},
    MsrRange{0x277, 1, "MSR IA32_PAT"},
    MsrRange{0x2ff, 1, "MSR IA32_MTRR_DEF_TYPE"},
    MsrRange{0x400, 128, "MSR IA32_MC"},  // four to a bank, KVM has 32 of them
    MsrRange{kUserCet, 1, "MSR IA32_U_CET"},
    MsrRange{kSupervisorCet, 1, "MSR IA32_S_CET"},
    MsrRange{0x6a4, 4, "MSR IA32_PL_SSP"},
    MsrRange{0x6a8, 1, "MSR IA32_INTERRUPT_SSP_TABLE"},
    MsrRange{0xd90, 1, "MSR IA32_BNDCFGS"},
    MsrRange{0xda0, 1, "MSR IA32_XSS"},
    MsrRange{0xc0000081, 1, "MSR STAR"},
    MsrRange{0xc0000082, 1, "MSR LSTAR"},
    MsrRange{0xc0000083, 1, "MSR CSTAR"},
    MsrRange{0xc0000084, 1, "MSR FMASK"},
    MsrRange{0xc0000102, 1, "MSR KERNEL_GS_BASE"},
    MsrRange{0xc0000103, 1, "MSR TSC_AUX"},
    MsrRange{0xc0010015, 1, "MSR HWCR"},
    MsrRange{0xc001011f, 1, "MSR VIRT_SPEC_CTRL"},
    MsrRange{0xc0011029, 1, "MSR DE_CFG"},
    // Of the two by which a guest asks for its clock KVM keeps one.
    MsrRange{0x12, 1, "MSR KVM_SYSTEM_TIME"},
    MsrRange{0x4b564d01, 1, "MSR KVM_SYSTEM_TIME_NEW"},
    // The vector first: KVM tells all who wait that their pages may have come.
    MsrRange{0x4b564d06, 1, "MSR KVM_ASYNC_PF_INT"},
    MsrRange{0x4b564d02, 1, "MSR KVM_ASYNC_PF_EN"},
    MsrRange{0x4b564d03, 1, "MSR KVM_STEAL_TIME"},
    MsrRange{0x4b564d04, 1, "MSR KVM_PV_EOI_EN"},
    MsrRange{0x4b564d05, 1, "MSR KVM_POLL_CONTROL"},
    MsrRange{0x4b564d08, 1, "MSR KVM_MIGRATION_CONTROL"},
    MsrRange{kTscDeadline, 1, "MSR IA32_TSC_DEADLINE"},
};

constexpr size_t count_saved() {
    size_t count = 0;
    for (const MsrRange& range : kSaved) count += range.count;
    return count;
}
inline constexpr size_t kMostSaved = count_saved();
static_assert(kMostSaved < 256);  // KVM's MAX_IO_MSRS: more it takes in no call

// nullptr of one that is not among them.
constexpr const char* name(uint32_t index) {
    for (const MsrRange& range : kSaved)
        if (index - range.first < range.count) return range.name;
    return nullptr;
}

}  // namespace msr
