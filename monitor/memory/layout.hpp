// The guest's physical address map: every magic address, with its source. Constants only. What a
// guest has to know of it is told in abi/machine.hpp.
//
// The map is Firecracker's, so that kernels, command lines and tools that know one know both.
#pragma once

#include <cstdint>

#include "abi/machine.hpp"
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
// hvm_start_info, modules and memory map, and behind them in one page the command line: a guest
// that has just begun pays for each page that it touches.
constexpr GuestAddress kPvhStartInfo{0x6000};
constexpr uint64_t kPvhStartInfoMaxBytes = 0x800;
constexpr GuestAddress kCommandLine{0x6800};
constexpr uint64_t kCommandLineMaxBytes = guest_abi::kCommandLineMaxBytes;
constexpr GuestAddress kZeroPage{0x7000};  // Linux struct boot_params
static_assert(kPvhStartInfo.value + kPvhStartInfoMaxBytes <= kCommandLine.value &&
              kCommandLine.value + kCommandLineMaxBytes <= kZeroPage.value);
constexpr GuestAddress kBootStackTop{0x8ff0};  // RSP at entry; the stack is [0x8000, 0x8ff0)
constexpr GuestAddress kPageTables{0x9000};    // PML4; PDPT and PDs follow, a page each
constexpr GuestAddress kPageTablesEnd{0x20000};

// The last KiB of 640 KiB base memory: an Extended BIOS Data Area, where an MP table is sought
// (MultiProcessor Specification 1.4, §4).
constexpr GuestAddress kSystemTables{0x9fc00};
constexpr GuestAddress kMpTable = kSystemTables;
constexpr uint64_t kMpTableMaxBytes = 0x400;
constexpr GuestAddress kAcpiTables{0xa0000};
// What the channel exchanges: its transmit and its receive buffer, 64 KiB each. A guest's memory
// map has this range reserved like all from kSystemTables to 1 MiB.
constexpr GuestAddress kChannelBuffers{0xb0000};
// In a snapshot's memory file, what says which state belongs to it (monitor/snapshot/stream.hpp).
// The page is reserved like the last.
constexpr GuestAddress kSnapshotIdentity{0xd0000};
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
constexpr GuestAddress kBootSignal{guest_abi::kBootSignal};
constexpr uint8_t kBootSignalValue = guest_abi::kBootSignalValue;
constexpr GuestAddress kVirtioMmio{guest_abi::kVirtioMmio};
constexpr uint64_t kVirtioMmioSize = guest_abi::kVirtioMmioSize;
constexpr GuestAddress kIoApic{0xfec00000};     // Intel 82093AA's fixed default
constexpr GuestAddress kLocalApic{0xfee00000};  // Intel SDM vol. 3 §11.4.1
// Three pages that KVM wants on Intel hosts, and its identity map page, in the gap and unused.
constexpr GuestAddress kKvmIdentityMap{0xfeffc000};
constexpr GuestAddress kKvmTss{0xfeffd000};

// --- Interrupts (Global System Interrupts: IOAPIC inputs) ---------------------------------------
constexpr uint32_t kKeyboardGsi = 1;  // the ISA interrupts of a PC: the keyboard's,
constexpr uint32_t kBellGsi = 3;      // COM2's,
constexpr uint32_t kSerialGsi = 4;    // COM1's
constexpr uint32_t kFirstVirtioGsi = guest_abi::kFirstVirtioGsi;
constexpr uint32_t kLastGsi = guest_abi::kLastGsi;  // KVM's IOAPIC has 24 inputs
constexpr uint32_t kMaxVirtioDevices = guest_abi::kMaxVirtioDevices;

// --- I/O ports ----------------------------------------------------------------------------------
constexpr uint16_t kExitPort = guest_abi::kExitPort;
constexpr uint16_t kI8042Data = guest_abi::kI8042Data;
constexpr uint16_t kI8042Command = guest_abi::kI8042Command;
constexpr uint16_t kResetPort = guest_abi::kResetPort;
constexpr uint16_t kCmosIndex = guest_abi::kCmosIndex;
constexpr uint16_t kSerialPort = guest_abi::kCom1;
constexpr uint16_t kBellPort = guest_abi::kCom2;
constexpr uint16_t kChannelPort = guest_abi::kChannelPort;
constexpr uint16_t kSleepControlPort = guest_abi::kSleepControlPort;
constexpr uint16_t kSleepStatusPort = guest_abi::kSleepStatusPort;
constexpr uint8_t kSleepTypeS5 = guest_abi::kSleepTypeS5;

}  // namespace layout
