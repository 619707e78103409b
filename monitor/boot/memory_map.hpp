// The guest's physical memory map as a BIOS would report it (ACPI 6.4 §15, INT 15h E820): one
// answer for every boot protocol. A plain value; main thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "virtio/guest_memory.hpp"

// ACPI 6.4 table 15.4, address range types. Xen's memory map uses the same numbers.
enum class MemoryType : uint32_t { kRam = 1, kReserved = 2 };

struct MemoryRange {
    GuestAddress start;
    uint64_t size_bytes = 0;
    MemoryType type = MemoryType::kRam;
};

class MemoryMap {
public:
    // Base memory, the reserved range up to 1 MiB, RAM from there, RAM above the MMIO gap.
    static constexpr size_t kMaxRanges = 4;

    // `ram`: the runs of guest RAM, the first from guest address 0.
    explicit MemoryMap(std::span<const GuestMemory::Region> ram);

    // Ascending and disjoint.
    std::span<const MemoryRange> ranges() const { return std::span(ranges_).first(count_); }

private:
    void add(GuestAddress start, GuestAddress end, MemoryType type);

    std::array<MemoryRange, kMaxRanges> ranges_{};
    size_t count_ = 0;
};
