#include "monitor/kvm/cpu_state.hpp"

#include <array>
#include <cstring>

#include "monitor/kvm/ioctl.hpp"
#include "monitor/memory/layout.hpp"

namespace {

// Intel SDM vol. 3 §2.5: control registers; §2.2.1: EFER.
constexpr uint64_t kCr0ProtectionEnable = 1U << 0;
constexpr uint64_t kCr0ExtensionType = 1U << 4;
constexpr uint64_t kCr0Paging = 1U << 31;
constexpr uint64_t kCr0User64 = 0x80050033;  // PG AM WP NE ET MP PE
constexpr uint64_t kCr4PhysicalAddressExtension = 1U << 5;
constexpr uint64_t kEferSyscall = 1U << 0;
constexpr uint64_t kEferLongMode = (1U << 8) | (1U << 10);  // LME and LMA
constexpr uint64_t kEferNoExecute = 1U << 11;
constexpr uint64_t kFlagsAlwaysSet = 1U << 1;
constexpr uint64_t kFlagsIoPrivilege3 = 3U << 12;

// Segment types, Intel SDM vol. 3 §3.4.5.1 and §3.5.
constexpr uint8_t kCodeReadAccessed = 0xb;
constexpr uint8_t kDataWriteAccessed = 0x3;
constexpr uint8_t kBusyTss = 0xb;

// Selectors are those of Linux's boot protocol: __BOOT_CS 0x10, __BOOT_DS 0x18.
constexpr uint16_t kCodeIndex = 2;
constexpr uint16_t kDataIndex = 3;
constexpr uint16_t kTssIndex = 4;
constexpr uint16_t kGdtEntries = 6;  // a TSS takes two in 64-bit mode
constexpr uint32_t kMinTssLimit = 0x67;

constexpr uint32_t kMsrMiscEnable = 0x1a0;
constexpr uint64_t kMiscEnableFastStrings = 1;
constexpr uint32_t kMsrMtrrDefaultType = 0x2ff;
constexpr uint64_t kMtrrEnabledWriteBack = (1U << 11) | 6;

// Local APIC, Intel SDM vol. 3 §11.5.1: register offsets and delivery modes.
constexpr size_t kApicLvtLint0 = 0x350;
constexpr size_t kApicLvtLint1 = 0x360;
constexpr uint32_t kApicDeliverExtInt = 7U << 8;
constexpr uint32_t kApicDeliverNmi = 4U << 8;
constexpr uint32_t kApicMasked = 1U << 16;

uint8_t privilege(EntryMode mode) {
    return mode == EntryMode::kUser64 ? 3 : 0;
}

kvm_segment flat_segment(uint16_t index, uint8_t type, EntryMode mode) {
    const bool is_code = type == kCodeReadAccessed;
    const bool is_long = is_code && mode != EntryMode::kProtected32;
    return {
        .base = 0,
        .limit = 0xffffffff,
        .selector = static_cast<uint16_t>(index * 8 | privilege(mode)),
        .type = type,
        .present = 1,
        .dpl = privilege(mode),
        .db = static_cast<uint8_t>(is_long ? 0 : 1),
        .s = 1,
        .l = static_cast<uint8_t>(is_long ? 1 : 0),
        .g = 1,
    };
}

kvm_segment task_segment(EntryMode mode) {
    const bool has_tss = mode == EntryMode::kUser64;  // a kernel loads its own
    return {
        .base = has_tss ? layout::kUserTss.value : 0,
        .limit = has_tss ? layout::kUserTssLimit : kMinTssLimit,
        .selector = kTssIndex * 8,
        .type = kBusyTss,
        .present = 1,
    };
}

// A segment as it lies in a descriptor table, Intel SDM vol. 3 §3.4.5.
uint64_t descriptor(const kvm_segment& segment) {
    const uint64_t limit = segment.g != 0 ? segment.limit >> 12 : segment.limit;
    const uint64_t access = segment.type | uint64_t{segment.s} << 4 | uint64_t{segment.dpl} << 5 |
                            uint64_t{segment.present} << 7;
    const uint64_t flags =
        uint64_t{segment.l} << 1 | uint64_t{segment.db} << 2 | uint64_t{segment.g} << 3;
    return (limit & 0xffff) | (segment.base & 0xffffff) << 16 | access << 40 |
           (limit >> 16 & 0xf) << 48 | flags << 52 | (segment.base >> 24 & 0xff) << 56;
}

Result<> set_msrs(const Vcpu& vcpu) {
    KvmMsrs<2> msrs;
    msrs.entries = {{
        {.index = kMsrMiscEnable, .data = kMiscEnableFastStrings},
        {.index = kMsrMtrrDefaultType, .data = kMtrrEnabledWriteBack},
    }};
    const int set = TRY(kvm_ioctl(vcpu.fd(), kvm_request::kSetMsrs<2>, msrs));
    if (set != 2)
        return Error{"KVM_SET_MSRS", 0, "the host's KVM refuses an MSR",
                     msrs.entries[static_cast<size_t>(set)].index};
    return Ok{};
}

Result<> set_local_interrupts(const Vcpu& vcpu, LegacyPic pic) {
    kvm_lapic_state apic{};
    TRY(kvm_ioctl(vcpu.fd(), kvm_request::kGetLapic, apic));
    const uint32_t lint0 = kApicDeliverExtInt | (pic == LegacyPic::kMasked ? kApicMasked : 0);
    std::memcpy(&apic.regs[kApicLvtLint0], &lint0, sizeof(lint0));
    std::memcpy(&apic.regs[kApicLvtLint1], &kApicDeliverNmi, sizeof(kApicDeliverNmi));
    TRY(kvm_ioctl(vcpu.fd(), kvm_request::kSetLapic, apic));
    return Ok{};
}

}  // namespace

Result<> write_descriptor_tables(const GuestMemory& memory, EntryMode mode) {
    std::array<uint64_t, kGdtEntries> gdt{};
    gdt[kCodeIndex] = descriptor(flat_segment(kCodeIndex, kCodeReadAccessed, mode));
    gdt[kDataIndex] = descriptor(flat_segment(kDataIndex, kDataWriteAccessed, mode));
    gdt[kTssIndex] = descriptor(task_segment(mode));
    // The TSS itself is fresh RAM: no stacks to switch to, every port granted.
    return memory.write(layout::kGdt, gdt);
}

kvm_regs entry_registers(const EntryState& state, uint32_t tsc_khz) {
    kvm_regs registers{};
    registers.rip = state.entry.value;
    registers.rflags = kFlagsAlwaysSet;
    switch (state.mode) {
        case EntryMode::kProtected32:
            registers.rbx = state.boot_information.value;
            break;
        case EntryMode::kLong64:
            registers.rsi = state.boot_information.value;
            registers.rsp = registers.rbp = layout::kBootStackTop.value;
            break;
        case EntryMode::kUser64:
            registers.rdi = state.boot_information.value;
            registers.rsi = tsc_khz;
            registers.rsp = registers.rbp = layout::kBootStackTop.value;
            registers.rflags |= kFlagsIoPrivilege3;
            break;
    }
    return registers;
}

void set_entry_segments(const EntryState& state, kvm_sregs& segments) {
    segments.cs = flat_segment(kCodeIndex, kCodeReadAccessed, state.mode);
    segments.ds = flat_segment(kDataIndex, kDataWriteAccessed, state.mode);
    segments.es = segments.fs = segments.gs = segments.ss = segments.ds;
    segments.tr = task_segment(state.mode);
    segments.ldt = {.type = 2, .unusable = 1};
    segments.gdt = {.base = layout::kGdt.value, .limit = kGdtEntries * 8 - 1};
    segments.idt = {.base = layout::kIdt.value, .limit = 0};
    switch (state.mode) {
        case EntryMode::kProtected32:
            segments.cr0 = kCr0ProtectionEnable | kCr0ExtensionType;
            segments.cr4 = 0;
            segments.efer = 0;
            return;
        case EntryMode::kLong64:
            segments.cr0 = kCr0ProtectionEnable | kCr0ExtensionType | kCr0Paging;
            segments.efer = kEferLongMode;
            break;
        case EntryMode::kUser64:
            segments.cr0 = kCr0User64;
            segments.efer = kEferLongMode | kEferSyscall | kEferNoExecute;
            break;
    }
    segments.cr3 = state.page_tables.value;
    segments.cr4 = kCr4PhysicalAddressExtension;
}

Result<> set_cpuid(const Vcpu& vcpu, Cpuid& cpuid) {
    TRY(kvm_ioctl(vcpu.fd(), kvm_request::kSetCpuid2, cpuid.list()));
    return Ok{};
}

Result<> set_firmware_state(const Vcpu& vcpu, LegacyPic pic) {
    TRY(set_msrs(vcpu));
    // Intel SDM vol. 1 §8.1.5 and §10.2.3: all exceptions masked, as FNINIT and a reset leave it.
    kvm_fpu fpu{.fcw = 0x37f, .mxcsr = 0x1f80};
    TRY(kvm_ioctl(vcpu.fd(), kvm_request::kSetFpu, fpu));
    return set_local_interrupts(vcpu, pic);
}

Result<> set_entry(const Vcpu& vcpu, const EntryState& state) {
    kvm_sregs segments{};
    // What we leave alone, such as the APIC base, is KVM's reset state.
    TRY(kvm_ioctl(vcpu.fd(), kvm_request::kGetSregs, segments));
    set_entry_segments(state, segments);
    TRY(kvm_ioctl(vcpu.fd(), kvm_request::kSetSregs, segments));
    kvm_regs registers =
        entry_registers(state, state.mode == EntryMode::kUser64 ? vcpu.tsc_khz() : 0);
    TRY(kvm_ioctl(vcpu.fd(), kvm_request::kSetRegs, registers));
    return Ok{};
}
