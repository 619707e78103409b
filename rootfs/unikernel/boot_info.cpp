#include "rootfs/unikernel/boot_info.hpp"

#include <bit>

#include "abi/machine.hpp"
#include "rootfs/unikernel/platform.hpp"

StringView BootInfo::command_line() const {
    if (info_.cmdline_paddr == 0) return {};
    const char* const line = std::bit_cast<const char*>(info_.cmdline_paddr);
    size_t size = 0;
    while (size < guest_abi::kCommandLineMaxBytes && line[size] != '\0') ++size;
    return {line, size};
}

View<const hvm_memmap_table_entry> BootInfo::memory_map() const {
    if (info_.memmap_paddr == 0) return {};
    return {std::bit_cast<const hvm_memmap_table_entry*>(info_.memmap_paddr), info_.memmap_entries};
}

MemorySize ram_of(View<const hvm_memmap_table_entry> map) {
    MemorySize ram{0, 0};
    for (const hvm_memmap_table_entry& entry : map) {
        if (entry.type != XEN_HVM_MEMMAP_TYPE_RAM) continue;
        ram.bytes += entry.size;
        ++ram.entries;
    }
    return ram;
}

uint64_t find_room(View<const hvm_memmap_table_entry> map, uint64_t from, uint64_t bytes) {
    for (const hvm_memmap_table_entry& entry : map) {
        if (entry.type != XEN_HVM_MEMMAP_TYPE_RAM) continue;
        const uint64_t first = entry.addr < from ? from : entry.addr;
        const uint64_t at = (first + platform::kPageSize - 1) & ~(platform::kPageSize - 1);
        const uint64_t end = entry.addr + entry.size;
        if (at < end && bytes <= end - at) return at;
    }
    return 0;
}
