// What the loader tells the guest: PVH's start info, for a guest that enters in 64-bit mode.
// The structures are those of Xen's public header arch-x86/hvm/start_info.h, version 1.
#pragma once

#include <cstddef>
#include <cstdint>

#include "rootfs/unikernel/view.hpp"

struct hvm_start_info {
    uint32_t magic;
    uint32_t version;
    uint32_t flags;
    uint32_t nr_modules;
    uint64_t modlist_paddr;
    uint64_t cmdline_paddr;  // 0: no command line
    uint64_t rsdp_paddr;
    uint64_t memmap_paddr;  // from version 1 on
    uint32_t memmap_entries;
    uint32_t reserved;
};
static_assert(sizeof(hvm_start_info) == 56);
static_assert(offsetof(hvm_start_info, memmap_paddr) == 40);

struct hvm_memmap_table_entry {
    uint64_t addr;
    uint64_t size;  // bytes
    uint32_t type;
    uint32_t reserved;
};
static_assert(sizeof(hvm_memmap_table_entry) == 24);

constexpr uint32_t XEN_HVM_START_MAGIC_VALUE = 0x336ec578;
constexpr uint32_t XEN_HVM_MEMMAP_TYPE_RAM = 1;

class BootInfo {
public:
    // `info` and what it points to stay where they are: nothing is copied.
    explicit BootInfo(const hvm_start_info& info) : info_(info) {}

    // Whether the structure is one of version 1 at all. The rest is meaningless if not.
    bool valid() const { return info_.magic == XEN_HVM_START_MAGIC_VALUE && info_.version >= 1; }

    // Without its NUL; at most guest_abi::kCommandLineMaxBytes.
    StringView command_line() const;

    // Empty when the loader gave none.
    View<const hvm_memmap_table_entry> memory_map() const;

private:
    const hvm_start_info& info_;
};

struct MemorySize {
    uint64_t bytes;
    uint64_t entries;
};

// How much of `map` is RAM, in how many entries.
MemorySize ram_of(View<const hvm_memmap_table_entry> map);

// The first page-aligned address, `from` or above, with `bytes` bytes of RAM; 0 if there is none.
uint64_t find_room(View<const hvm_memmap_table_entry> map, uint64_t from, uint64_t bytes);
