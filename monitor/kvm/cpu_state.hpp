// The first state of a vCPU: registers, segments, MSRs, FPU and local APIC as its boot protocol
// demands. On the vCPU's thread, before it runs.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "monitor/kvm/cpuid.hpp"
#include "monitor/kvm/vcpu.hpp"
#include "virtio/guest_memory.hpp"

struct kvm_regs;
struct kvm_sregs;

// How the first instruction is reached.
enum class EntryMode {
    kProtected32,  // PVH: 32-bit, paging off, EBX = boot information
    kLong64,       // Linux 64-bit boot protocol: CPL 0, paging on, RSI = boot information
    kUser64,       // CPL 3, IOPL 3, paging on, RDI = boot information, RSI = TSC's kHz
};

struct EntryState {
    EntryMode mode = EntryMode::kProtected32;
    GuestAddress entry;             // RIP
    GuestAddress boot_information;  // what the protocol passes in a register
    GuestAddress page_tables;       // CR3; unused by kProtected32
};

// Writes the GDT (and for kUser64 the TSS) that the segments below refer to. Once a VM.
Result<> write_descriptor_tables(const GuestMemory& memory, EntryMode mode);

// What the vCPU's CPUID instruction answers. Before set_firmware_state(): hosts from 6.13 on check
// MSRs against it.
Result<> set_cpuid(const Vcpu& vcpu, Cpuid& cpuid);

// Whether the guest may take interrupts of the two 8259s, which come in by LINT0.
enum class LegacyPic {
    kMasked,       // a hardware-reduced guest never programs them: what they raise would be noise
    kVirtualWire,  // MultiProcessor Specification 1.4 §3.6.2.2
};

// What every CPU of a PC has after its firmware ran: MTRRs on, fast strings, FPU, LINT0 and LINT1.
// A user64 guest can see none of it and does without.
Result<> set_firmware_state(const Vcpu& vcpu, LegacyPic pic);

// Points the boot vCPU at the kernel. The other vCPUs wait for its INIT and SIPI.
Result<> set_entry(const Vcpu& vcpu, const EntryState& state);

// The same without KVM, for tests.
kvm_regs entry_registers(const EntryState& state, uint32_t tsc_khz);
void set_entry_segments(const EntryState& state, kvm_sregs& segments);
