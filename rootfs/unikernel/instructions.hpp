// The few instructions that C++ has no word for.
#pragma once

#include <cstdint>

#include "rootfs/unikernel/view.hpp"

inline void out8(uint16_t port, uint8_t value) {
    asm volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

inline void out32(uint16_t port, uint32_t value) {
    asm volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

inline uint8_t in8(uint16_t port) {
    uint8_t value = 0;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

inline uint32_t in32(uint16_t port) {
    uint32_t value = 0;
    asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

inline void copy_bytes(uint64_t to, uint64_t from, uint64_t count) {
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

// One instruction for all bytes of `bytes`.
inline void out_string(uint16_t port, StringView bytes) {
    const char* at = bytes.data();
    uint64_t count = bytes.size();
    asm volatile("rep outsb" : "+S"(at), "+c"(count) : "d"(port) : "memory");
}

inline uint64_t read_tsc() {
    uint32_t low = 0;
    uint32_t high = 0;
    asm volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return uint64_t{high} << 32 | low;
}

inline void relax() {
    asm volatile("pause");
}

// Loads and stores that the compiler neither drops, splits nor moves: for device registers, for
// what a device reads and writes at the same time, and to touch a page. Each is one plain MOV,
// which every KVM can decode; and x86 keeps loads in order and stores in order, as acquire and
// release do.
inline uint8_t load8(uint64_t address) {
    uint8_t value = 0;
    asm volatile("movb (%1), %0" : "=q"(value) : "r"(address) : "memory");
    return value;
}

inline uint16_t load16(uint64_t address) {
    uint16_t value = 0;
    asm volatile("movw (%1), %0" : "=r"(value) : "r"(address) : "memory");
    return value;
}

inline uint32_t load32(uint64_t address) {
    uint32_t value = 0;
    asm volatile("movl (%1), %0" : "=r"(value) : "r"(address) : "memory");
    return value;
}

inline void store8(uint64_t address, uint8_t value) {
    asm volatile("movb %0, (%1)" : : "q"(value), "r"(address) : "memory");
}

inline void store16(uint64_t address, uint16_t value) {
    asm volatile("movw %0, (%1)" : : "r"(value), "r"(address) : "memory");
}

inline void store32(uint64_t address, uint32_t value) {
    asm volatile("movl %0, (%1)" : : "r"(value), "r"(address) : "memory");
}

inline void store64(uint64_t address, uint64_t value) {
    asm volatile("movq %0, (%1)" : : "r"(value), "r"(address) : "memory");
}

// The one order that x86 does not keep by itself: a store before a later load of something else.
// Not MFENCE, which is SSE2, and our CPUID has none.
inline void full_fence() {
    asm volatile("lock orl $0, (%%rsp)" : : : "memory", "cc");
}

// No IDT: #UD cannot be delivered, nor can the double fault that follows. A triple fault.
[[noreturn]] inline void undefined_instruction() {
    asm volatile("ud2");
    __builtin_unreachable();
}
