#include "monitor/kvm/cpuid.hpp"

#include <algorithm>
#include <bit>

#include "monitor/kvm/ioctl.hpp"

namespace {

constexpr uint32_t kHypervisorSignatureLeaf = 0x40000000;
// The leaf in which VMware, and KVM hosts after it, tell the TSC's and the APIC timer's kHz.
constexpr uint32_t kHypervisorTimingLeaf = 0x40000010;
constexpr uint32_t kAmdTopologyLeaf = 0x8000001e;
constexpr uint32_t kApicTimerKhz = 1'000'000;  // KVM's local APIC ticks once a nanosecond

constexpr uint32_t bits(uint32_t value, unsigned shift) {
    return value << shift;
}

// `field` with bits [shift, shift + width) replaced by `value`.
constexpr uint32_t with_bits(uint32_t field, unsigned shift, unsigned width, uint32_t value) {
    const uint32_t mask = ((1U << width) - 1) << shift;
    return (field & ~mask) | ((value << shift) & mask);
}

constexpr uint32_t kHypervisorBit = bits(1, 31);

// Virtualization: SDM vol. 2A CPUID, table 3-10; APM vol. 3, Fn8000_0001 ECX and Fn8000_000A.
constexpr uint32_t kVmx = bits(1, 5);  // leaf 1 ECX
constexpr uint32_t kSvm = bits(1, 2);  // leaf 8000_0001 ECX
constexpr uint32_t kSvmLeaf = 0x8000000a;

// Performance counters, and what records branches and stores: the same manuals.
constexpr uint32_t kDebugStoreWide = bits(1, 2);      // leaf 1 ECX: DTES64
constexpr uint32_t kDebugStoreCpl = bits(1, 4);       // leaf 1 ECX: DS-CPL
constexpr uint32_t kPerfCapabilities = bits(1, 15);   // leaf 1 ECX: PDCM
constexpr uint32_t kDebugStore = bits(1, 21);         // leaf 1 EDX: DS
constexpr uint32_t kProcessorTrace = bits(1, 25);     // leaf 7 EBX
constexpr uint32_t kLastBranches = bits(1, 19);       // leaf 7 EDX: architectural LBRs
constexpr uint32_t kExtendedMonitoring = bits(1, 8);  // leaf 7, subleaf 1, EAX: leaf 0x23 is there
constexpr uint32_t kIbs = bits(1, 10);                // leaf 8000_0001 ECX, as what follows
constexpr uint32_t kLightweightProfiling = bits(1, 15);
constexpr uint32_t kCoreCounters = bits(1, 23);  // PerfCtrExtCore
constexpr uint32_t kNorthbridgeCounters = bits(1, 24);
constexpr uint32_t kTimeStampCounter = bits(1, 27);  // PerfTsc
constexpr uint32_t kLastLevelCounters = bits(1, 28);
constexpr uint32_t kMonitoringLeaf = 0xa;
constexpr uint32_t kAmdMonitoringLeaf = 0x80000022;
constexpr uint32_t kTracingLeaves[] = {0x14,         // processor trace
                                       0x1c,         // last branches
                                       0x23,         // more of leaf 0xa
                                       0x8000001b,   // IBS
                                       0x8000001c};  // lightweight profiling

}  // namespace

Cpuid::Cpuid(std::unique_ptr<KvmCpuid> list) : list_(std::move(list)) {}
Cpuid::Cpuid(Cpuid&&) noexcept = default;
Cpuid::~Cpuid() = default;

Cpuid Cpuid::copy() const {
    return Cpuid{std::make_unique<KvmCpuid>(*list_)};
}

std::span<kvm_cpuid_entry2> Cpuid::entries() const {
    return std::span(list_->entries).first(list_->header.nent);
}

kvm_cpuid_entry2* Cpuid::find(uint32_t leaf, uint32_t subleaf) {
    const auto list = entries();
    const auto found = std::find_if(list.begin(), list.end(), [&](const auto& entry) {
        return entry.function == leaf && entry.index == subleaf;
    });
    return found == list.end() ? nullptr : &*found;
}

kvm_cpuid_entry2* Cpuid::find_or_add(uint32_t leaf, uint32_t subleaf, uint32_t flags) {
    if (auto* const entry = find(leaf, subleaf)) return entry;
    if (list_->header.nent == KvmCpuid::kMaxEntries) return nullptr;
    kvm_cpuid_entry2& entry = list_->entries[list_->header.nent++];
    entry = {.function = leaf, .index = subleaf, .flags = flags};
    return &entry;
}

bool Cpuid::is_intel() {
    const auto* const vendor = find(0);
    return vendor != nullptr && vendor->ebx == 0x756e6547;  // "Genu"
}

void Cpuid::clear(uint32_t leaf) {
    for (auto& entry : entries())
        if (entry.function == leaf) entry.eax = entry.ebx = entry.ecx = entry.edx = 0;
}

bool Cpuid::has_nested() {
    const auto* const basic = find(1);
    const auto* const extended = find(0x80000001);
    return (basic != nullptr && (basic->ecx & kVmx) != 0) ||
           (extended != nullptr && (extended->ecx & kSvm) != 0);
}

bool Cpuid::has_pmu() {
    const auto* const monitoring = find(kMonitoringLeaf);
    const auto* const extended = find(0x80000001);
    return (monitoring != nullptr && (monitoring->eax & 0xff) != 0) ||  // its version
           (extended != nullptr && (extended->ecx & kCoreCounters) != 0);
}

Result<> Cpuid::limit(const CpuExtras& wanted) {
    if (wanted.nested && !has_nested())
        return Error{"nested virtualization", 0,
                     "this host's KVM offers none; load kvm_intel or kvm_amd with nested=1"};
    if (wanted.pmu && !has_pmu())
        return Error{"PMU", 0, "this host's KVM offers none; load kvm with enable_pmu=1"};
    if (!wanted.nested) hide_nested();
    if (!wanted.pmu) hide_pmu();
    return Ok{};
}

void Cpuid::hide_nested() {
    if (auto* const basic = find(1)) basic->ecx &= ~kVmx;
    if (auto* const extended = find(0x80000001)) extended->ecx &= ~kSvm;
    clear(kSvmLeaf);
}

// With its CPUID bits go its MSRs, but for the four counters of old AMD processors, which are
// everybody's: those go with the VM's own PMU (Vm::give_no_pmu()).
void Cpuid::hide_pmu() {
    if (auto* const basic = find(1)) {
        basic->ecx &= ~(kPerfCapabilities | kDebugStoreWide | kDebugStoreCpl);
        basic->edx &= ~kDebugStore;
    }
    if (auto* const features = find(7)) {
        features->ebx &= ~kProcessorTrace;
        features->edx &= ~kLastBranches;
    }
    if (auto* const features = find(7, 1)) features->eax &= ~kExtendedMonitoring;
    if (auto* const extended = find(0x80000001))
        extended->ecx &= ~(kIbs | kLightweightProfiling | kCoreCounters | kNorthbridgeCounters |
                           kTimeStampCounter | kLastLevelCounters);
    clear(kMonitoringLeaf);
    clear(kAmdMonitoringLeaf);
    for (const uint32_t leaf : kTracingLeaves) clear(leaf);
}

void Cpuid::set_machine(uint32_t vcpus, uint32_t threads_per_core, uint32_t tsc_khz) {
    if (auto* const features = find(1)) {
        features->ecx |= kHypervisorBit;
        features->ecx |= bits(1, 24);  // TSC deadline timer: KVM emulates it on every host
    }
    set_topology(vcpus, threads_per_core);
    if (tsc_khz != 0) set_tsc_frequency(tsc_khz);
}

void Cpuid::set_topology(uint32_t vcpus, uint32_t threads_per_core) {
    // APIC ids are numbered through; a level's width is that of the largest id in it.
    const auto id_bits = static_cast<uint32_t>(std::bit_width(vcpus - 1));
    const auto thread_bits = static_cast<uint32_t>(std::bit_width(threads_per_core - 1));
    const uint32_t core_bits = id_bits > thread_bits ? id_bits - thread_bits : 0;
    if (auto* const features = find(1)) {
        features->ebx = with_bits(features->ebx, 16, 8, uint32_t{1} << id_bits);
        features->edx = with_bits(features->edx, 28, 1, vcpus > 1 ? 1 : 0);  // HTT: EBX is valid
    }
    for (auto& entry : entries()) {
        // Caches: the first two levels belong to a core, the third to the socket.
        const bool intel_caches = entry.function == 4 && is_intel();
        if (!intel_caches && entry.function != 0x8000001d) continue;
        const uint32_t level = (entry.eax >> 5) & 7;
        entry.eax = with_bits(entry.eax, 14, 12,
                              level >= 3 ? (uint32_t{1} << id_bits) - 1 : threads_per_core - 1);
        if (intel_caches) entry.eax = with_bits(entry.eax, 26, 6, (uint32_t{1} << core_bits) - 1);
    }
    if (auto* const basic = find(0)) basic->eax = std::max(basic->eax, 0xbU);
    if (auto* const threads = find_or_add(0xb, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX)) {
        threads->eax = thread_bits;
        threads->ebx = threads_per_core;
        threads->ecx = bits(1, 8);  // level type 1: SMT
    }
    if (auto* const cores = find_or_add(0xb, 1, KVM_CPUID_FLAG_SIGNIFCANT_INDEX)) {
        cores->eax = thread_bits + core_bits;
        cores->ebx = vcpus;
        cores->ecx = bits(2, 8) | 1;  // level type 2: core; level number 1
    }
    // The V2 topology leaf would say the host's; 0xb says all there is.
    clear(0x1f);
    set_amd_topology(vcpus, threads_per_core, id_bits);
}

void Cpuid::set_amd_topology(uint32_t vcpus, uint32_t threads_per_core, uint32_t id_bits) {
    if (is_intel()) return;
    if (auto* const features = find(0x80000001))
        features->ecx = with_bits(features->ecx, 1, 1, vcpus > 1 ? 1 : 0);  // CmpLegacy
    if (auto* const sizes = find(0x80000008)) {
        sizes->ecx = with_bits(sizes->ecx, 0, 8, vcpus - 1);  // NC: cores less one
        sizes->ecx = with_bits(sizes->ecx, 12, 4, id_bits);   // ApicIdSize
    }
    if (threads_per_core == 1) return;
    // A host's KVM may have nothing of this; but without it Linux takes AMD's threads for cores.
    if (auto* const features = find(0x80000001)) features->ecx |= bits(1, 22);  // TOPOEXT
    if (auto* const largest = find(0x80000000))
        largest->eax = std::max(largest->eax, kAmdTopologyLeaf);
    find_or_add(kAmdTopologyLeaf, 0, 0);
}

void Cpuid::set_tsc_frequency(uint32_t tsc_khz) {
    if (auto* const signature = find(kHypervisorSignatureLeaf))
        signature->eax = std::max(signature->eax, kHypervisorTimingLeaf);
    if (auto* const timing = find_or_add(kHypervisorTimingLeaf, 0, 0)) {
        timing->eax = tsc_khz;
        timing->ebx = kApicTimerKhz;
    }
    if (!is_intel()) return;
    // TSC Hz = crystal Hz * EBX / EAX; the crystal is what the APIC timer counts.
    if (auto* const basic = find(0)) basic->eax = std::max(basic->eax, 0x15U);
    if (auto* const crystal = find_or_add(0x15, 0, 0)) {
        crystal->eax = kApicTimerKhz;
        crystal->ebx = tsc_khz;
        crystal->ecx = kApicTimerKhz * 1000;
    }
}

void Cpuid::set_vcpu(uint32_t apic_id, uint32_t threads_per_core) {
    if (auto* const features = find(1)) features->ebx = with_bits(features->ebx, 24, 8, apic_id);
    for (uint32_t level = 0; level < 2; ++level)
        if (auto* const topology = find(0xb, level)) topology->edx = apic_id;
    if (auto* const extended = find(kAmdTopologyLeaf)) {
        extended->eax = apic_id;
        extended->ebx = (apic_id / threads_per_core & 0xff) |
                        bits(threads_per_core - 1, 8);  // core, threads in it less one
        extended->ecx = 0;                              // node 0 of one
    }
}
