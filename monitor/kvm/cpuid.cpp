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
    for (auto& entry : entries())
        if (entry.function == 0x1f) entry.eax = entry.ebx = entry.ecx = entry.edx = 0;
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
