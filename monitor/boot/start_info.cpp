#include "monitor/boot/start_info.hpp"

#include <array>
#include <cstddef>

#include "monitor/memory/layout.hpp"

namespace {

struct StartInfoPage {
    hvm_start_info info;
    hvm_modlist_entry initrd;
    std::array<hvm_memmap_table_entry, MemoryMap::kMaxRanges> memory_map;
};
static_assert(sizeof(StartInfoPage) <= layout::kPvhStartInfoMaxBytes);

}  // namespace

Result<> write_start_info(const GuestMemory& memory, const MemoryMap& map, const BootInfo& info) {
    const GuestAddress at = layout::kPvhStartInfo;
    StartInfoPage page{};
    page.info.magic = XEN_HVM_START_MAGIC_VALUE;
    page.info.version = 1;
    page.info.cmdline_paddr = layout::kCommandLine.value;
    page.info.rsdp_paddr = info.rsdp.value_or(GuestAddress{0}).value;
    page.info.memmap_paddr = (at + offsetof(StartInfoPage, memory_map)).value;
    if (info.initrd) {
        page.info.nr_modules = 1;
        page.info.modlist_paddr = (at + offsetof(StartInfoPage, initrd)).value;
        page.initrd.paddr = info.initrd->address.value;
        page.initrd.size = info.initrd->size_bytes;
    }
    for (const MemoryRange& range : map.ranges())
        page.memory_map[page.info.memmap_entries++] = {range.start.value, range.size_bytes,
                                                       static_cast<uint32_t>(range.type), 0};
    return memory.write(at, page);
}
