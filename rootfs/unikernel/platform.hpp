// The machine underneath, as the monitor's monitor/memory/layout.hpp lays it out: ports and
// addresses. The two pages must agree; the unikernel includes none of the monitor's, because it is
// another program, for another machine.
#pragma once

#include <cstdint>

namespace platform {

constexpr uint16_t kSerialPort = 0x3f8;          // COM1
constexpr uint16_t kExitPort = 0xf4;             // 32-bit OUT: the low 8 bits are the exit status
constexpr uint16_t kChannelPort = 0x2f0;         // 32-bit OUT: send so many bytes; IN: fetch
constexpr uint16_t kChannelBuffersPort = 0x2f4;  // 32-bit IN: where the two buffers are
constexpr uint16_t kKeyboardCommand = 0x64;      // i8042
constexpr uint8_t kPulseReset = 0xfe;            // i8042 command: pulse the CPU's reset line
constexpr uint16_t kSleepControlPort = 0x600;    // ACPI 6.4 §4.8.3.7
constexpr uint8_t kSleepS5 = 5 << 2 | 1 << 5;    // SLP_TYP in bits 2..4, SLP_EN in bit 5

constexpr uint64_t kBootSignal = 0xc0000000;  // MMIO: one byte written when the guest is up
constexpr uint8_t kBootSignalValue = 123;

// virtio-mmio: window n at + n * kVirtioWindowSize, without gaps from 0 up. All are user pages.
constexpr uint64_t kVirtioWindows = 0xc0001000;
constexpr uint64_t kVirtioWindowSize = 0x1000;
constexpr uint64_t kVirtioWindowCount = 19;  // one per IOAPIC input from 5 to 23

constexpr uint64_t kCommandLineMaxBytes = 2048;
constexpr uint64_t kPageSize = 4096;
constexpr uint64_t kMebibyte = 1 << 20;

// Everything the unikernel itself uses (boot structures, stack, its image) lies below.
constexpr uint64_t kFreeMemory = 0x200000;

}  // namespace platform
