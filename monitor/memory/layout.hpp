// The guest's physical address map: every magic address, with its source. Constants only.
//
// The map is Firecracker's, so that kernels, command lines and tools that know one know both.
#pragma once

#include <cstdint>

#include "virtio/guest_memory.hpp"

namespace layout {

constexpr uint64_t kPageSize = 4096;
constexpr uint64_t kLargePageSize = 2 << 20;

// --- Below 1 MiB: what the monitor hands to the guest -------------------------------------------
constexpr GuestAddress kGdt{0x500};  // boot GDT, 8-byte entries
constexpr GuestAddress kIdt{0x540};  // an empty IDT
// TSS of a user64 guest, all zero. Its I/O permission bitmap (8 KiB and a byte, at offset 0) grants
// every port: KVM's software back end does not keep the flags' IOPL, and then the bitmap decides.
constexpr GuestAddress kUserTss{0x1000};
constexpr uint32_t kUserTssLimit = 0x2000;
constexpr GuestAddress kPvhStartInfo{0x6000};  // hvm_start_info, modules, memory map
constexpr GuestAddress kZeroPage{0x7000};      // Linux struct boot_params
constexpr GuestAddress kBootStackTop{0x8ff0};  // RSP at entry; the stack is [0x8000, 0x8ff0)
constexpr GuestAddress kPageTables{0x9000};    // PML4; PDPT and PDs follow, a page each
constexpr GuestAddress kCommandLine{0x20000};
constexpr uint64_t kCommandLineMaxBytes = 2048;  // with the NUL; x86 Linux COMMAND_LINE_SIZE

// The last KiB of 640 KiB base memory: an Extended BIOS Data Area, where an MP table is sought
// (MultiProcessor Specification 1.4, §4).
constexpr GuestAddress kSystemTables{0x9fc00};
constexpr GuestAddress kMpTable = kSystemTables;
constexpr uint64_t kMpTableMaxBytes = 0x400;
constexpr GuestAddress kAcpiTables{0xa0000};
// What the channel exchanges: its transmit and its receive buffer, 64 KiB each. A guest's memory
// map has this range reserved like all from kSystemTables to 1 MiB.
constexpr GuestAddress kChannelBuffers{0xb0000};
// ACPI 6.4 §5.2.5.1: the RSDP lies on a 16-byte boundary in [0xe0000, 0x100000).
constexpr GuestAddress kRsdp{0xe0000};
// Where a CPU starts after a reset in real mode, F000:FFF0 (Intel SDM vol. 3 §9.1.4, in its copy
// below 1 MiB). A guest that reboots by jumping there finds the reset pulse.
constexpr GuestAddress kResetVector{0xffff0};

// --- From 1 MiB: the kernel ---------------------------------------------------------------------
constexpr GuestAddress kHighMemory{0x100000};

// --- The 32-bit MMIO gap: no RAM in [3 GiB, 4 GiB) ----------------------------------------------
constexpr GuestAddress kMmioGapStart{0xc0000000};
constexpr GuestAddress kMmioGapEnd{0x100000000};
constexpr GuestAddress kBootSignal{0xc0000000};  // a guest writes one byte when it is up
constexpr uint8_t kBootSignalValue = 123;
constexpr GuestAddress kVirtioMmio{0xc0001000};  // window of device n at + n * kVirtioMmioSize
constexpr uint64_t kVirtioMmioSize = 0x1000;
constexpr GuestAddress kIoApic{0xfec00000};     // Intel 82093AA's fixed default
constexpr GuestAddress kLocalApic{0xfee00000};  // Intel SDM vol. 3 §11.4.1
// Three pages that KVM wants on Intel hosts, and its identity map page, in the gap and unused.
constexpr GuestAddress kKvmIdentityMap{0xfeffc000};
constexpr GuestAddress kKvmTss{0xfeffd000};

// --- Interrupts (Global System Interrupts: IOAPIC inputs) ---------------------------------------
constexpr uint32_t kKeyboardGsi = 1;  // the ISA interrupts of a PC: the keyboard's,
constexpr uint32_t kBellGsi = 3;      // COM2's,
constexpr uint32_t kSerialGsi = 4;    // COM1's
constexpr uint32_t kFirstVirtioGsi = 5;
constexpr uint32_t kLastGsi = 23;  // KVM's IOAPIC has 24 inputs
constexpr uint32_t kMaxVirtioDevices = kLastGsi - kFirstVirtioGsi + 1;

// --- I/O ports ----------------------------------------------------------------------------------
constexpr uint16_t kExitPort = 0xf4;  // 32-bit OUT: exit status, as QEMU's isa-debug-exit
constexpr uint16_t kI8042Data = 0x60;
constexpr uint16_t kI8042Command = 0x64;       // OUT 0xfe: pulse the reset line
constexpr uint16_t kSerialPort = 0x3f8;        // COM1, 8 ports
constexpr uint16_t kBellPort = 0x2f8;          // COM2, the channel's bell
constexpr uint16_t kChannelPort = 0x2f0;       // 8 ports
constexpr uint16_t kSleepControlPort = 0x600;  // ACPI 6.4 §4.8.3.7, hardware-reduced
constexpr uint16_t kSleepStatusPort = 0x601;
constexpr uint8_t kSleepTypeS5 = 5;  // SLP_TYP of \_S5 in our DSDT

}  // namespace layout
