#include "monitor/boot/memory_map.hpp"

#include <algorithm>

#include "monitor/memory/layout.hpp"

MemoryMap::MemoryMap(std::span<const GuestMemory::Region> ram) {
    for (const GuestMemory::Region& region : ram) {
        const GuestAddress end = region.start + region.host.size();
        if (region.start != GuestAddress{0}) {
            add(region.start, end, MemoryType::kRam);
            continue;
        }
        add({0}, std::min(end, layout::kSystemTables), MemoryType::kRam);
        // Reserved although RAM is behind it: the MP table, ACPI's tables and the RSDP are there.
        add(layout::kSystemTables, layout::kHighMemory, MemoryType::kReserved);
        add(layout::kHighMemory, end, MemoryType::kRam);
    }
}

void MemoryMap::add(GuestAddress start, GuestAddress end, MemoryType type) {
    if (start >= end || count_ == kMaxRanges) return;
    ranges_[count_++] = {start, end.value - start.value, type};
}
