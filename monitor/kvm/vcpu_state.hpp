// All that a vCPU is between two instructions, as KVM tells it and takes it back: Linux
// Documentation/virt/kvm/api.rst §4.
#pragma once

#include <linux/kvm.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "monitor/kvm/vcpu.hpp"
#include "monitor/kvm/vm.hpp"

struct VcpuState {
    std::vector<kvm_cpuid_entry2> cpuid;  // none: it was never given any, as a user64 guest
    kvm_sregs sregs{};
    kvm_xcrs xcrs{};
    std::vector<std::byte> xsave;
    kvm_regs regs{};
    kvm_lapic_state lapic{};
    std::vector<kvm_msr_entry> msrs;  // those of msr_table.hpp that the host had
    kvm_vcpu_events events{};
    kvm_debugregs debug_registers{};
    kvm_mp_state mp_state{};
    uint32_t tsc_khz = 0;  // of the guest's time-stamp counter; 0 where the host did not know it
};

// With room for all that save_vcpu() fills in. `xsave_bytes`: of Vm::xsave_bytes(). Any thread.
VcpuState vcpu_state_with_room(size_t xsave_bytes);

// Reads it into a state of vcpu_state_with_room(), which may be done again. Asks for nothing but
// ioctls, and for no heap. Its own thread, out of KVM_RUN, which was left by Vcpu::stop(). Errors:
// KVM's, each named; ENOTSUP of a guest that runs guests of its own, whose state is not part of it.
Result<> save_vcpu(const Vcpu& vcpu, VcpuState& into);

// What its CPUID instruction answers. Its own thread. Errors: KVM's.
Result<std::vector<kvm_cpuid_entry2>> told_cpuid(const Vcpu& vcpu);

// Makes the time-stamp counters of a VM's vCPUs, each read by its own thread, those of one moment:
// counters within a second of the first are its equals, which is what KVM too takes them for.
void align_time_stamps(std::span<VcpuState> vcpus);

// What the vCPUs of a VM have in common when they go on: made once, for all of them.
struct RestorePoint {
    size_t xsave_bytes = 0;  // as Vm::xsave_bytes()
    uint64_t host_tsc = 0;   // at which their time-stamp counters go on
    uint64_t time_ns = 0;    // the same moment by the monotonic clock
};
RestorePoint restore_point(const Vm& vm);

// The vCPU goes on where the state was saved, and its clock too: the time between is not there for
// it. Its own thread, before its filter, before it has run, instead of set_cpuid(),
// set_firmware_state() and set_entry(). Errors: what of the state is malformed, or is more than
// this host has, by KVM's name of it.
Result<> restore_vcpu(const Vcpu& vcpu, const VcpuState& state, const RestorePoint& point);
