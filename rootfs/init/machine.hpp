// What Mayfly gives a guest besides devices (docs/memory.md), as a process under
// Linux gets at it. Where it is says abi/machine.hpp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace machine {

// The ports are this process's from here on, and its children's until they give them up. False with
// errno without the privilege for it.
bool take_ports();
void give_up_ports();

// Maps physical memory; nullptr with errno where it cannot be.
std::byte* map_physical(uint64_t address, size_t size_bytes);

// Byte 123 to 0xc0000000: the guest is up.
void give_boot_signal();

// Ends the VM with `status`.
[[noreturn]] void end(uint8_t status);

}  // namespace machine
