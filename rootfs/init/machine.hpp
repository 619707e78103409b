// What Mayfly gives a guest besides devices, all at fixed places: the exit port, the boot signal,
// the channel's ports and buffers (ARCHITECTURE.md, "Contracts").
#pragma once

#include <cstddef>
#include <cstdint>

namespace machine {

// The ports are this process's from here on, and its children's until they give them up. False with
// errno without the privilege for it.
bool take_ports();
void give_up_ports();

inline uint32_t in32(uint16_t port) {
    uint32_t value = 0;
    asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

inline void out32(uint16_t port, uint32_t value) {
    asm volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

constexpr uint16_t kChannelPort = 0x2f0;  // OUT: send so many bytes; IN: fetch, how many there are
constexpr uint16_t kChannelBuffersPort = 0x2f4;  // IN: where the buffers are
constexpr uint16_t kExitPort = 0xf4;

// Maps physical memory; nullptr with errno where it cannot be.
std::byte* map_physical(uint64_t address, size_t size_bytes);

// Byte 123 to 0xc0000000: the guest is up.
void give_boot_signal();

// Ends the VM with `status`.
[[noreturn]] void end(uint8_t status);

}  // namespace machine
