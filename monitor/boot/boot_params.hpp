// What the monitor tells a guest at boot: command line, initrd, memory map, RSDP, in the form that
// its boot protocol has for them. Written once by the machine's set-up on the main thread.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/result.hpp"
#include "monitor/boot/loader.hpp"
#include "virtio/guest_memory.hpp"

struct BootInfo {
    // Without a NUL anywhere; at most layout::kCommandLineMaxBytes - 1 bytes.
    std::string_view command_line{};
    std::optional<LoadedInitrd> initrd{};
    std::optional<GuestAddress> rsdp{};  // ACPI's root pointer, if the guest gets ACPI tables
};

// Writes the command line at layout::kCommandLine, and the zero page at layout::kZeroPage
// (kLinux64) or hvm_start_info at layout::kPvhStartInfo (kPvh, kUser64). `ram` is the memory to
// report. Errors: a command line too long for us or the kernel, or with a NUL in it; EFAULT (RAM
// too small).
Result<> write_boot_params(const GuestMemory& memory, std::span<const GuestMemory::Region> ram,
                           const LoadedKernel& kernel, const BootInfo& info);
