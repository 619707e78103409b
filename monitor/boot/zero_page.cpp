#include "monitor/boot/zero_page.hpp"

#include <algorithm>
#include <asm/bootparam.h>
#include <cstddef>
#include <cstring>
#include <span>

#include "monitor/memory/layout.hpp"

static_assert(sizeof(boot_params) == layout::kPageSize);
static_assert(offsetof(boot_params, acpi_rsdp_addr) == 0x70);
static_assert(offsetof(boot_params, hdr) == 0x1f1);
static_assert(offsetof(boot_params, edd_mbr_sig_buffer) == 0x290);
static_assert(offsetof(boot_params, e820_table) == 0x2d0);
static_assert(MemoryMap::kMaxRanges <= E820_MAX_ENTRIES_ZEROPAGE);

namespace {

// boot.rst, "type_of_loader": 0xff stands for a loader without a number of its own.
constexpr uint8_t kUndefinedLoader = 0xff;
constexpr uint16_t kBootFlag = 0xaa55;
constexpr uint32_t kHeaderMagic = 0x53726448;  // "HdrS"
constexpr uint16_t kVersion = 0x20c;           // of the protocol spoken when no header says one

// What an ELF kernel's setup header would say, had it been kept.
void describe_elf(setup_header& header) {
    header.boot_flag = kBootFlag;
    header.header = kHeaderMagic;
    header.version = kVersion;
    header.loadflags = LOADED_HIGH;
    header.cmdline_size = layout::kCommandLineMaxBytes - 1;
}

// A bzImage's header goes over as it is, with what follows it in the file up to the header's end.
void copy_header(std::span<const std::byte> header, boot_params& params) {
    const size_t room = offsetof(boot_params, edd_mbr_sig_buffer) - offsetof(boot_params, hdr);
    const auto page = std::as_writable_bytes(std::span(&params, 1));
    std::memcpy(page.subspan(offsetof(boot_params, hdr)).data(), header.data(),
                std::min(header.size(), room));
}

// The fields that boot.rst marks "write" and "modify" and that the 64-bit entry reads.
void fill_header(const LoadedKernel& kernel, const BootInfo& info, setup_header& header) {
    header.type_of_loader = kUndefinedLoader;
    // heap_end_ptr is for the real-mode code alone, which does not run.
    header.loadflags = static_cast<uint8_t>(header.loadflags & ~CAN_USE_HEAP);
    header.cmd_line_ptr = static_cast<uint32_t>(layout::kCommandLine.value);
    // Whatever the file says here would be a guest address that nobody has filled.
    header.setup_data = 0;
    header.ramdisk_image = 0;
    header.ramdisk_size = 0;
    if (info.initrd) {
        // Low RAM ends at 3 GiB: 32 bits hold both.
        header.ramdisk_image = static_cast<uint32_t>(info.initrd->address.value);
        header.ramdisk_size = static_cast<uint32_t>(info.initrd->size_bytes);
    }
    // code32_start: where the protected-mode code was really put. The 64-bit entry follows 0x200
    // on.
    if (!kernel.setup_header.empty())
        header.code32_start = static_cast<uint32_t>(kernel.entry.value - 0x200);
}

}  // namespace

Result<> write_zero_page(const GuestMemory& memory, const MemoryMap& map,
                         const LoadedKernel& kernel, const BootInfo& info) {
    boot_params params{};
    if (kernel.setup_header.empty())
        describe_elf(params.hdr);
    else
        copy_header(kernel.setup_header, params);
    if (info.command_line.size() > params.hdr.cmdline_size)
        return Error{"kernel command line of bytes", 0,
                     "is longer than this kernel's cmdline_size; shorten it",
                     info.command_line.size()};
    fill_header(kernel, info, params.hdr);
    params.acpi_rsdp_addr = info.rsdp.value_or(GuestAddress{0}).value;
    for (const MemoryRange& range : map.ranges())
        params.e820_table[params.e820_entries++] = {range.start.value, range.size_bytes,
                                                    static_cast<uint32_t>(range.type)};
    return memory.write_bytes(layout::kZeroPage, std::as_bytes(std::span(&params, 1)));
}
