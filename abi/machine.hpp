// The machine as a guest finds it: ports and addresses that monitor and guests agree on
// (docs/memory.md). Like all of abi/ it is for programs on both sides, the ones
// without a library included: constants, plain structures, and no header that needs a C library.
// (The namespace is not called abi, because <cxxabi.h> has taken that name for everybody.)
#pragma once

#include <cstdint>

namespace guest_abi {

// --- Ports -----------------------------------------------------------------------------------
constexpr uint16_t kExitPort = 0xf4;  // 32-bit OUT: exit status (low 8 bits), as isa-debug-exit
constexpr uint16_t kI8042Data = 0x60;
constexpr uint16_t kI8042Command = 0x64;
constexpr uint8_t kPulseReset = 0xfe;   // i8042 command: pulse the CPU's reset line
constexpr uint16_t kResetPort = 0xcf9;  // a write with bit 2 resets
constexpr uint16_t kCmosIndex = 0x70;   // a real-time clock; its data are at the next port
constexpr uint16_t kCom1 = 0x3f8;       // 8 ports, a 16550A: the console
constexpr uint16_t kCom2 = 0x2f8;       // 8 ports, a 16550A: the channel's bell
// The channel's registers, 32 bits wide. At kChannelPort, OUT sends so many bytes of the transmit
// buffer, IN fetches into the receive buffer and returns how many bytes; at kChannelBuffersPort, IN
// returns the address of the transmit buffer, which the other follows.
constexpr uint16_t kChannelPort = 0x2f0;
constexpr uint16_t kChannelBuffersPort = 0x2f4;
constexpr uint16_t kChannelPorts = 8;
constexpr uint32_t kNobody = 0xffffffff;  // a 32-bit IN from a port that nobody answers

// ACPI 6.4 §4.8.3.7, the sleep registers of hardware-reduced ACPI.
constexpr uint16_t kSleepControlPort = 0x600;  // SLP_TYP in bits 2 to 4, SLP_EN in bit 5
constexpr uint16_t kSleepStatusPort = 0x601;
constexpr uint8_t kSleepTypeS5 = 5;  // SLP_TYP of \_S5 in our DSDT
constexpr uint8_t kPowerOff = kSleepTypeS5 << 2 | 1 << 5;

// --- Guest-physical addresses ------------------------------------------------------------------
constexpr uint64_t kBootSignal = 0xc0000000;  // MMIO: a guest writes one byte when it is up
constexpr uint8_t kBootSignalValue = 123;
// virtio-mmio: window n at + n * kVirtioMmioSize, without gaps from 0 up, on GSI kFirstVirtioGsi +
// n; an IOAPIC of 24 inputs.
constexpr uint64_t kVirtioMmio = 0xc0001000;
constexpr uint64_t kVirtioMmioSize = 0x1000;
constexpr uint32_t kFirstVirtioGsi = 5;
constexpr uint32_t kLastGsi = 23;
constexpr uint32_t kMaxVirtioDevices = kLastGsi - kFirstVirtioGsi + 1;

constexpr uint64_t kCommandLineMaxBytes = 2048;  // with the NUL; x86 Linux COMMAND_LINE_SIZE

}  // namespace guest_abi
