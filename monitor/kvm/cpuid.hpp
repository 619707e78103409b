// What a guest's CPUID instruction answers: the host KVM's own list, made to fit this VM's
// topology. Intel SDM vol. 2A CPUID; AMD APM vol. 3 appendix E.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/result.hpp"

struct KvmCpuid;
struct kvm_cpuid_entry2;

// What a guest has only where it is asked for: each is a large part of KVM that then faces it.
struct CpuExtras {
    bool nested = false;  // VMX or SVM: the guest may run guests of its own
    bool pmu = false;     // performance counters, and what traces a processor
};

class Cpuid {
public:
    explicit Cpuid(std::unique_ptr<KvmCpuid> list);
    Cpuid(Cpuid&&) noexcept;
    Cpuid& operator=(Cpuid&&) = delete;
    Cpuid(const Cpuid&) = delete;
    Cpuid& operator=(const Cpuid&) = delete;
    ~Cpuid();

    Cpuid copy() const;

    // Takes away what the guest is not to have. Errors: it is to have what this host's KVM has not.
    Result<> limit(const CpuExtras& wanted);

    // Sets what depends on the VM: one socket of `vcpus` threads, each
    // a core's own or, with 2 `threads_per_core`, two of a core; the hypervisor bit, the TSC
    // deadline timer, and the TSC's frequency (`tsc_khz`, 0 where unknown), which spares the guest
    // a measurement.
    void set_machine(uint32_t vcpus, uint32_t threads_per_core, uint32_t tsc_khz);

    // Sets what depends on the vCPU.
    void set_vcpu(uint32_t apic_id, uint32_t threads_per_core);

    KvmCpuid& list() { return *list_; }

    // The entry of `leaf` and `subleaf`, or nullptr.
    kvm_cpuid_entry2* find(uint32_t leaf, uint32_t subleaf = 0);
    std::span<kvm_cpuid_entry2> entries() const;
    bool is_intel();

private:
    kvm_cpuid_entry2* find_or_add(uint32_t leaf, uint32_t subleaf, uint32_t flags);
    void clear(uint32_t leaf);
    bool has_nested();
    bool has_pmu();
    void hide_nested();
    void hide_pmu();
    void set_topology(uint32_t vcpus, uint32_t threads_per_core);
    void set_amd_topology(uint32_t vcpus, uint32_t threads_per_core, uint32_t id_bits);
    void set_tsc_frequency(uint32_t tsc_khz);

    std::unique_ptr<KvmCpuid> list_;
};
