// Brings a kernel and an initrd from an Image into guest RAM, before any vCPU runs.
//
// A kernel file is hostile input: every field is checked against the file and the guest's RAM
// before the first byte of RAM is written. Used by the machine's set-up on the main thread.
// Formats: ELF64 (elf_image.hpp), with a PVH note, our user64 note, or the Linux 64-bit entry;
// bzImage (bzimage.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "monitor/boot/image.hpp"
#include "monitor/boot/placement.hpp"
#include "monitor/memory/guest_ram.hpp"
#include "virtio/guest_memory.hpp"

enum class BootProtocol {
    kPvh,      // 32-bit protected mode, EBX = hvm_start_info (Xen, docs/misc/pvh.pandoc)
    kLinux64,  // 64-bit mode, RSI = zero page (Linux, Documentation/arch/x86/boot.rst)
    kUser64,   // 64-bit mode at CPL 3, RDI = hvm_start_info (abi/user64.hpp)
};

struct LoadedKernel {
    BootProtocol protocol = BootProtocol::kLinux64;
    GuestAddress entry;     // first instruction
    GuestAddress end;       // first byte after all that the kernel occupies, bss and init_size too
    bool is_linux = false;  // expects what Linux expects: its note or version string says so
    // A bzImage's setup header: the file's bytes from 0x1f1 on, as many as it has. Else empty.
    std::vector<std::byte> setup_header{};
    uint32_t initrd_address_max = 0;  // the highest address an initrd's last byte may have
};

struct LoadedInitrd {
    GuestAddress address;
    uint64_t size_bytes = 0;
};

// Tells the formats apart by content, checks the whole image, and only then writes guest RAM. A
// file's whole pages are mapped copy-on-write where it lies on page boundaries and `pages` are to
// be shared. `ram` is as created: what the image leaves out (bss) is taken to be zero. Errors name
// the field and its value; besides, as Image::read and GuestRam::map_file.
Result<LoadedKernel> load_kernel(const Image& image, const GuestRam& ram,
                                 ImagePages pages = ImagePages::kShared);

// What an initrd is made of: a file, bytes of the monitor's own behind it, or one of the two.
// Linux unpacks archives that follow each other, each from a multiple of 4 bytes on.
struct InitrdSource {
    const Image* file = nullptr;
    std::span<const std::byte> appended{};
};

// Puts the initrd as high in low RAM as the kernel allows, page-aligned, above the kernel.
// Errors: does not fit; as Image::read and GuestRam::map_file.
Result<LoadedInitrd> load_initrd(const InitrdSource& source, const GuestRam& ram,
                                 const LoadedKernel& kernel,
                                 ImagePages pages = ImagePages::kShared);
