// The "zero page", struct boot_params, that a 64-bit Linux entry finds in RSI. Main thread.
// Format: Linux, Documentation/arch/x86/zero-page.rst and boot.rst.
#pragma once

#include "base/result.hpp"
#include "monitor/boot/boot_params.hpp"
#include "monitor/boot/loader.hpp"
#include "monitor/boot/memory_map.hpp"
#include "virtio/guest_memory.hpp"

// Writes the page at layout::kZeroPage: the kernel's own setup header, if it came with one, with
// the loader's fields filled in, and the memory map. Errors: a command line longer than the
// kernel's cmdline_size; EFAULT.
Result<> write_zero_page(const GuestMemory& memory, const MemoryMap& map,
                         const LoadedKernel& kernel, const BootInfo& info);
