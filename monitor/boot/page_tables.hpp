// The page tables that a guest entered in 64-bit mode starts on: an identity map in 2 MiB pages.
// Main thread. Format: AMD64 Architecture Programmer's Manual vol. 2 §5.3 (4-level, PS in the PDE).
#pragma once

#include <span>

#include "base/result.hpp"
#include "virtio/guest_memory.hpp"

enum class PageAccess {
    // For Linux' 64-bit entry: CPL 0. boot.rst asks that kernel, zero page and command line be
    // mapped;
    // all of these are in low RAM, which is mapped in whole GiB.
    kSupervisor,
    // For user64: CPL 3 may use all RAM, and the page of the boot signal and the virtio-mmio
    // windows.
    kUser,
};

// Writes tables at layout::kPageTables for `ram`; only the GiB in use cost a page each. Returns
// CR3. Errors: more RAM than the tables have room for (kUser: 20 GiB at most); EFAULT.
Result<GuestAddress> write_page_tables(const GuestMemory& memory,
                                       std::span<const GuestMemory::Region> ram, PageAccess access);
