// ACPI tables: what tells a guest kernel of its processors, interrupts, serial port and virtio
// devices, and how to power off.
//
// ACPI 6.4. The machine is "hardware-reduced" (§4.1): no PM1 registers, SCI, PM timer, SMI or FACS,
// so that a kernel probes for nothing of a PC and trusts the tables. Every object in the DSDT costs
// the guest time at boot, so there are as few as possible and no methods: nothing is ever executed.
// Written once by the main thread, before the first vCPU runs.
//
// Two things follow from HW_REDUCED_ACPI for the rest of the machine, as Linux reads it. It never
// programs the 8259s that KVM_CREATE_IRQCHIP brings; in KVM's reset state they are unmasked and
// their vectors begin at 0, so no device's edge may reach a CPU through them (LINT0). And a kernel
// with CONFIG_EFI that was booted without EFI reboots by jumping to a BIOS, where there is none,
// unless the command line has reboot=k, reboot=a (RESET_REG) or noefi.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "virtio/guest_memory.hpp"

// What the tables announce.
struct PlatformDevices {
    uint32_t vcpus = 1;           // 1..32, with APIC ids 0..vcpus-1
    uint32_t virtio_devices = 0;  // 0..layout::kMaxVirtioDevices. Slot n has its registers at
                                  // kVirtioMmio + n * kVirtioMmioSize and GSI kFirstVirtioGsi + n
    uint32_t serial_ports = 1;    // 2: also the channel's bell, COM2
    bool keyboard = false;        // on the i8042, which is there in any case, to reset
};

// Writes the RSDP at layout::kRsdp, and the DSDT, FADT, MADT and XSDT from layout::kAcpiTables up,
// all in one page. Errors: EINVAL (a number above), EFAULT (RAM ends below them).
Result<> write_acpi_tables(const GuestMemory& memory, const PlatformDevices& devices);
