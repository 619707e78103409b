#include "monitor/kvm/cpu_template.hpp"

#include <algorithm>

#include "monitor/kvm/cpuid_bits.hpp"
#include "monitor/kvm/ioctl.hpp"

namespace {

using cpuid::bits;
using cpuid::kEax;
using cpuid::kEbx;
using cpuid::kEcx;
using cpuid::kEdx;
using cpuid::kXsaveLeaf;

// Of a register of CPUID. What is not kept is 0, also what later processors may come to say there.
struct Row {
    uint32_t leaf = 0;
    uint32_t subleaf = 0;
    cpuid::Register of = nullptr;
    uint32_t kept = 0;
    uint32_t needed = 0;  // of these: what a program may have been built for
};

constexpr uint32_t kXsaveStates = 0x7;  // x87, SSE, AVX
constexpr uint32_t kFirstOtherState = 3;
constexpr uint32_t kXsaveAreaBytes = 832;  // of these states: SDM vol. 1, 13.4

// Intel SDM vol. 2A, CPUID, tables 3-8 to 3-13.
constexpr Row kT2Rows[] = {
    // SSE3, PCLMULQDQ, SSSE3, FMA, CX16, PCID, SSE4.1, SSE4.2, x2APIC, MOVBE, POPCNT, TSC deadline,
    // AES, XSAVE, OSXSAVE, AVX, F16C, RDRAND, hypervisor
    {1, 0, kEcx, bits(0, 1, 9, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31),
     bits(0, 1, 9, 12, 13, 19, 20, 22, 23, 25, 26, 28, 29, 30)},
    // All but PSN, DS, ACPI, SS, TM, PBE, and what is reserved
    {1, 0, kEdx, ~bits(10, 18, 20, 21, 22, 27, 29, 30, 31)},
    {6, 0, kEax, bits(2)},  // ARAT
    {6, 0, kEbx, 0},
    {6, 0, kEcx, 0},
    {7, 0, kEax, 0},  // no further subleaf
    // FSGSBASE, TSC_ADJUST, BMI1, AVX2, FDP_EXCPTN_ONLY, SMEP, BMI2, ERMS, INVPCID, no FPU CS and
    // DS, SMAP
    {7, 0, kEbx, bits(0, 1, 3, 5, 6, 7, 8, 9, 10, 13, 20), bits(3, 5, 8)},
    {7, 0, kEcx, 0},
    // SRBDS_CTRL, MD_CLEAR, IBRS, STIBP, L1D_FLUSH, ARCH_CAPABILITIES, SSBD: against what a
    // processor does ahead of time
    {7, 0, kEdx, bits(9, 10, 26, 27, 28, 29, 31)},
    {kXsaveLeaf, 0, kEax, kXsaveStates, kXsaveStates},
    {kXsaveLeaf, 0, kEdx, 0},
    {kXsaveLeaf, 1, kEax, bits(0)},  // XSAVEOPT
    {kXsaveLeaf, 1, kEbx, 0},
    {kXsaveLeaf, 1, kEcx, 0},
    {kXsaveLeaf, 1, kEdx, 0},
    {0x80000001, 0, kEcx, bits(0, 5), bits(0, 5)},  // LAHF, LZCNT
    // SYSCALL, NX, RDTSCP, long mode
    {0x80000001, 0, kEdx, bits(11, 20, 27, 29), bits(11, 20, 27, 29)},
    {0x80000007, 0, kEdx, bits(8)},               // invariant TSC
    {0x80000008, 0, kEbx, bits(12, 14, 15, 24)},  // what KVM says of IBPB, IBRS, STIBP, SSBD
};

// Each of these is there as the host has it, less what kT2Rows takes away.
constexpr uint32_t kT2Leaves[] = {0, 1, 2, 4, 6, 7, 0xb, kXsaveLeaf};
constexpr uint32_t kFirstHypervisorLeaf = 0x40000000;

// Family 6, model 63 (Haswell), stepping 2, which is what a T2 instance was.
constexpr uint32_t kT2Signature = 0x306f2;

Result<> expect(Cpuid& cpuid, const Row& row) {
    if (row.needed == 0) return Ok{};
    const auto* const entry = cpuid.find(row.leaf, row.subleaf);
    if (entry != nullptr && (entry->*row.of & row.needed) == row.needed) return Ok{};
    return Error{"CPU template T2: CPUID leaf", 0,
                 "is less in this host's KVM than in a T2 processor; leave the template out",
                 row.leaf};
}

void clear(kvm_cpuid_entry2& entry) {
    entry.eax = entry.ebx = entry.ecx = entry.edx = 0;
}

Result<> cut_down_to_t2(Cpuid& cpuid) {
    if (!cpuid.is_intel())
        return Error{"CPU template T2", 0, "is for hosts with Intel processors; leave it out"};
    for (const Row& row : kT2Rows) TRY(expect(cpuid, row));
    for (const Row& row : kT2Rows)
        if (auto* const entry = cpuid.find(row.leaf, row.subleaf)) entry->*row.of &= row.kept;
    for (auto& entry : cpuid.entries()) {
        const bool is_other_leaf =
            entry.function < kFirstHypervisorLeaf &&
            std::ranges::find(kT2Leaves, entry.function) == std::end(kT2Leaves);
        const bool is_other_state = entry.function == kXsaveLeaf && entry.index >= kFirstOtherState;
        const bool is_further_subleaf = entry.function == 7 && entry.index > 0;
        if (is_other_leaf || is_other_state || is_further_subleaf) clear(entry);
    }
    cpuid.find(0)->eax = kXsaveLeaf;
    cpuid.find(1)->eax = kT2Signature;
    auto* const states = cpuid.find(kXsaveLeaf);
    states->ebx = std::min(states->ebx, kXsaveAreaBytes);
    states->ecx = kXsaveAreaBytes;
    return Ok{};
}

}  // namespace

Result<> cut_down(Cpuid& cpuid, CpuTemplate to) {
    return to == CpuTemplate::kT2 ? cut_down_to_t2(cpuid) : Ok{};
}
