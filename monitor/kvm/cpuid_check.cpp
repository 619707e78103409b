#include "monitor/kvm/cpuid_check.hpp"

#include <algorithm>

#include "monitor/kvm/cpuid_bits.hpp"

namespace {

using cpuid::bits;
using cpuid::kEax;
using cpuid::kEbx;
using cpuid::kEcx;
using cpuid::kEdx;

constexpr uint32_t kAll = 0xffffffff;

// Each bit of it that is set is something that a program may use.
struct Features {
    uint32_t leaf;
    uint32_t subleaf;
    cpuid::Register of;
    uint32_t compared;
    const char* name;  // literal, for errors
};

// Intel SDM vol. 2A CPUID, table 3-8; AMD APM vol. 3 appendix E; Linux
// Documentation/virt/kvm/x86/cpuid.rst. Not compared is what a VM has on every host or as its CR4
// is, and what is of its topology.
constexpr Features kFeatures[] = {
    // MONITOR, TSC deadline, OSXSAVE, hypervisor
    {1, 0, kEcx, ~bits(3, 24, 27, 31), "CPUID leaf 1 ECX bits"},
    {1, 0, kEdx, ~bits(28), "CPUID leaf 1 EDX bits"},  // HTT
    {6, 0, kEax, bits(2), "CPUID leaf 6 EAX bits"},    // ARAT
    {7, 0, kEbx, kAll, "CPUID leaf 7 EBX bits"},
    {7, 0, kEcx, ~bits(4), "CPUID leaf 7 ECX bits"},  // OSPKE
    {7, 0, kEdx, kAll, "CPUID leaf 7 EDX bits"},
    {7, 1, kEax, kAll, "CPUID leaf 7.1 EAX bits"},
    {7, 1, kEdx, kAll, "CPUID leaf 7.1 EDX bits"},
    {7, 2, kEdx, kAll, "CPUID leaf 7.2 EDX bits"},
    {cpuid::kXsaveLeaf, 0, kEax, kAll, "CPUID leaf 0xd EAX bits"},
    {cpuid::kXsaveLeaf, 0, kEdx, kAll, "CPUID leaf 0xd EDX bits"},
    {cpuid::kXsaveLeaf, 1, kEax, kAll, "CPUID leaf 0xd.1 EAX bits"},
    {cpuid::kXsaveLeaf, 1, kEcx, kAll, "CPUID leaf 0xd.1 ECX bits"},
    {cpuid::kXsaveLeaf, 1, kEdx, kAll, "CPUID leaf 0xd.1 EDX bits"},
    {0x24, 0, kEbx, bits(16, 17, 18), "CPUID leaf 0x24 EBX bits"},  // lengths of vectors
    {0x40000001, 0, kEax, kAll, "CPUID leaf 0x40000001 EAX bits"},
    // CmpLegacy, TOPOEXT
    {0x80000001, 0, kEcx, ~bits(1, 22), "CPUID leaf 0x80000001 ECX bits"},
    {0x80000001, 0, kEdx, kAll, "CPUID leaf 0x80000001 EDX bits"},
    {0x80000007, 0, kEdx, kAll, "CPUID leaf 0x80000007 EDX bits"},
    {0x80000008, 0, kEbx, kAll, "CPUID leaf 0x80000008 EBX bits"},
    {0x8000000a, 0, kEdx, kAll, "CPUID leaf 0x8000000a EDX bits"},
    {0x80000021, 0, kEax, kAll, "CPUID leaf 0x80000021 EAX bits"},
};

using Entries = std::span<const kvm_cpuid_entry2>;

// What CPUID answers where there is no such leaf.
constexpr kvm_cpuid_entry2 kNone{};

const kvm_cpuid_entry2& entry_of(Entries entries, uint32_t leaf, uint32_t subleaf) {
    const auto found = std::ranges::find_if(entries, [&](const kvm_cpuid_entry2& entry) {
        return entry.function == leaf && entry.index == subleaf;
    });
    return found == entries.end() ? kNone : *found;
}

Result<> check_vendor(Entries saved, Entries here) {
    const kvm_cpuid_entry2& was = entry_of(saved, 0, 0);
    const kvm_cpuid_entry2& is = entry_of(here, 0, 0);
    if (was.ebx == is.ebx && was.ecx == is.ecx && was.edx == is.edx) return Ok{};
    return Error{"CPUID leaf 0", 0, "the guest is on a processor of another vendor than this"};
}

// The same state is saved at the same place.
Result<> check_areas(Entries saved, Entries here) {
    constexpr uint32_t kFirstOwnPlace = 2;  // x87 and SSE have theirs on all processors
    for (const kvm_cpuid_entry2& was : saved) {
        if (was.function != cpuid::kXsaveLeaf || was.index < kFirstOwnPlace || was.eax == 0)
            continue;
        const kvm_cpuid_entry2& is = entry_of(here, was.function, was.index);
        if (was.eax != is.eax || was.ebx != is.ebx)
            return Error{"CPUID leaf 0xd, XSAVE state", 0,
                         "is of another size or elsewhere on this host", was.index};
    }
    return Ok{};
}

}  // namespace

Result<> check_cpuid(Entries saved, Entries here) {
    if (saved.empty()) return Ok{};
    TRY(check_vendor(saved, here));
    for (const Features& row : kFeatures) {
        const uint32_t had = entry_of(saved, row.leaf, row.subleaf).*row.of & row.compared;
        const uint32_t lacking = had & ~(entry_of(here, row.leaf, row.subleaf).*row.of);
        if (lacking != 0)
            return Error{row.name, 0, "are the guest's, and not this host's KVM's", lacking};
    }
    return check_areas(saved, here);
}
