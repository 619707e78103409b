#include "rootfs/unikernel/boot_info.hpp"

#include <bit>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "abi/machine.hpp"

namespace {

// The unikernel's memory is identity-mapped, so any pointer here does for a physical address.
hvm_start_info start_info(const char* command_line,
                          const std::vector<hvm_memmap_table_entry>& map) {
    hvm_start_info info{};
    info.magic = XEN_HVM_START_MAGIC_VALUE;
    info.version = 1;
    info.cmdline_paddr = std::bit_cast<uint64_t>(command_line);
    info.memmap_paddr = std::bit_cast<uint64_t>(map.data());
    info.memmap_entries = static_cast<uint32_t>(map.size());
    return info;
}

TEST(BootInfo, IsValidFromVersionOneOn) {
    hvm_start_info raw = start_info(nullptr, {});
    EXPECT_TRUE(BootInfo(raw).valid());
    raw.version = 0;
    EXPECT_FALSE(BootInfo(raw).valid());
    raw.version = 1;
    raw.magic ^= 1;
    EXPECT_FALSE(BootInfo(raw).valid());
}

TEST(BootInfo, ReadsTheCommandLineUpToItsNul) {
    const hvm_start_info raw = start_info("echo exit=3", {});
    const StringView line = BootInfo(raw).command_line();
    EXPECT_EQ(std::string(line.data(), line.size()), "echo exit=3");
}

TEST(BootInfo, HasAnEmptyCommandLineWhenThereIsNone) {
    const hvm_start_info raw = start_info(nullptr, {});
    EXPECT_TRUE(BootInfo(raw).command_line().empty());
}

TEST(BootInfo, StopsReadingALineThatIsTooLong) {
    const std::string endless(guest_abi::kCommandLineMaxBytes + 10, 'x');
    const hvm_start_info raw = start_info(endless.c_str(), {});
    EXPECT_EQ(BootInfo(raw).command_line().size(), guest_abi::kCommandLineMaxBytes);
}

TEST(BootInfo, CountsRamAlone) {
    const std::vector<hvm_memmap_table_entry> map{
        {0, 0x9fc00, XEN_HVM_MEMMAP_TYPE_RAM, 0},
        {0x9fc00, 0x60400, 2, 0},
        {0x100000, 0x7f00000, XEN_HVM_MEMMAP_TYPE_RAM, 0},
    };
    const hvm_start_info raw = start_info(nullptr, map);
    const View<const hvm_memmap_table_entry> seen = BootInfo(raw).memory_map();
    EXPECT_EQ(seen.size(), 3U);
    const MemorySize ram = ram_of(seen);
    EXPECT_EQ(ram.bytes, 0x9fc00U + 0x7f00000U);
    EXPECT_EQ(ram.entries, 2U);
}

TEST(BootInfo, HasAnEmptyMapWhenThereIsNone) {
    hvm_start_info raw = start_info(nullptr, {});
    raw.memmap_paddr = 0;
    raw.memmap_entries = 5;
    EXPECT_TRUE(BootInfo(raw).memory_map().empty());
}

TEST(FindRoom, IsRamAlone) {
    const hvm_memmap_table_entry map[] = {
        {0, 0x9fc00, XEN_HVM_MEMMAP_TYPE_RAM, 0},
        {0x100000, 0x300000, XEN_HVM_MEMMAP_TYPE_RAM, 0},
        {0x400000, 0x10000000, 2, 0},
        {0x100000100, 0x200000, XEN_HVM_MEMMAP_TYPE_RAM, 0},
    };
    EXPECT_EQ(find_room(map, 0x200000, 0x1000), 0x200000U);
    EXPECT_EQ(find_room(map, 0x200000, 0x200000), 0x200000U);
    EXPECT_EQ(find_room(map, 0x200001, 0x200000), 0U);  // and no page less
    EXPECT_EQ(find_room(map, 0x400000, 0x1000), 0x100001000U);
    EXPECT_EQ(find_room(map, 0, 0xa0000), 0x100000U);
    EXPECT_EQ(find_room({}, 0, 1), 0U);
}

}  // namespace
