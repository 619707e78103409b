// The structures that a PVH kernel finds in EBX, and a user64 guest in RDI. Main thread.
// Format: Xen, xen/include/public/arch-x86/hvm/start_info.h, version 1; names and layout are Xen's.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "monitor/boot/boot_params.hpp"
#include "monitor/boot/memory_map.hpp"
#include "virtio/guest_memory.hpp"

constexpr uint32_t XEN_HVM_START_MAGIC_VALUE = 0x336ec578;  // NOLINT(*-identifier-naming)

// NOLINTBEGIN(readability-identifier-naming)
struct hvm_start_info {
    uint32_t magic;           //  0
    uint32_t version;         //  4  1: has a memory map
    uint32_t flags;           //  8  SIF_...: none for a guest
    uint32_t nr_modules;      // 12
    uint64_t modlist_paddr;   // 16
    uint64_t cmdline_paddr;   // 24  NUL-terminated; 0: none, as for every address here
    uint64_t rsdp_paddr;      // 32
    uint64_t memmap_paddr;    // 40
    uint32_t memmap_entries;  // 48
    uint32_t reserved;        // 52
};
static_assert(sizeof(hvm_start_info) == 56);

struct hvm_modlist_entry {
    uint64_t paddr;          //  0
    uint64_t size;           //  8  bytes
    uint64_t cmdline_paddr;  // 16
    uint64_t reserved;       // 24
};
static_assert(sizeof(hvm_modlist_entry) == 32);

struct hvm_memmap_table_entry {
    uint64_t addr;      //  0
    uint64_t size;      //  8  bytes
    uint32_t type;      // 16  MemoryType
    uint32_t reserved;  // 20
};
static_assert(sizeof(hvm_memmap_table_entry) == 24);
// NOLINTEND(readability-identifier-naming)

// Writes start_info at layout::kPvhStartInfo, module list and memory map behind it in that page.
// The command line is announced at layout::kCommandLine. Errors: EFAULT.
Result<> write_start_info(const GuestMemory& memory, const MemoryMap& map, const BootInfo& info);
