#include "bench/smaps.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <gtest/gtest.h>

namespace {

// As the kernel writes it, with what does not matter here cut away.
constexpr char kSmaps[] =
    "00400000-00402000 r-xp 00000000 fe:00 393275                     /opt/a monitor: x\n"
    "Size:                  8 kB\n"
    "Rss:                   8 kB\n"
    "Shared_Clean:          4 kB\n"
    "Private_Clean:         4 kB\n"
    "Private_Dirty:         0 kB\n"
    "VmFlags: rd ex mr mw me sd \n"
    "7f0000000000-7f0000200000 rw-p 00000000 00:00 0 \n"
    "Rss:                  16 kB\n"
    "Private_Clean:         0 kB\n"
    "Private_Dirty:        16 kB\n"
    "7f0000200000-7f0000201000 rw-p 00000000 00:00 0                  [stack]\n"
    "Rss:                   4 kB\n"
    "Private_Clean:         1 kB\n"
    "Private_Dirty:         3 kB\n";

MemoryArea area(uint64_t start, uint64_t end, uint64_t resident_kib = 0) {
    return {.start = start, .end = end, .name = "", .resident_kib = resident_kib};
}

TEST(ParseSmaps, ReadsEveryArea) {
    auto areas = parse_smaps(kSmaps);
    ASSERT_TRUE(areas.ok());
    ASSERT_EQ(areas.value().size(), 3U);
    const MemoryArea& text = areas.value()[0];
    EXPECT_EQ(text.start, 0x400000U);
    EXPECT_EQ(text.end, 0x402000U);
    EXPECT_EQ(text.name, "/opt/a monitor: x");
    EXPECT_EQ(text.private_kib, 4U);
    EXPECT_EQ(text.resident_kib, 8U);
    EXPECT_EQ(areas.value()[1].name, "");
    EXPECT_EQ(areas.value()[1].private_kib, 16U);
    EXPECT_EQ(areas.value()[2].name, "[stack]");
    EXPECT_EQ(areas.value()[2].private_kib, 4U);
}

TEST(ParseSmaps, RefusesWhatIsNotSmaps) {
    for (const char* text :
         {"Rss: 4 kB\n", "400000 rw-p\n", "hello\n", "400000-300000 rw-p 0 0:0 0\n",
          "400000-500000 rw-p 0 0:0 0\nRss: kB\n"}) {
        auto areas = parse_smaps(text);
        ASSERT_FALSE(areas.ok()) << text;
        EXPECT_EQ(areas.error().code, EINVAL) << text;
    }
}

TEST(FindGuestRam, IsTheAreaOfItsSize) {
    const std::vector<MemoryArea> areas{area(0x1000, 0x3000), area(0x10000, 0x18000),
                                        area(0x20000, 0x21000)};
    auto ram = find_guest_ram(areas, 0x8000);
    ASSERT_TRUE(ram.ok());
    ASSERT_EQ(ram.value().size(), 1U);
    EXPECT_EQ(ram.value().data(), &areas[1]);
}

TEST(FindGuestRam, JoinsAdjacentAreasOnly) {
    const std::vector<MemoryArea> areas{area(0x1000, 0x2000), area(0x10000, 0x12000),
                                        area(0x12000, 0x17000), area(0x17000, 0x18000)};
    auto ram = find_guest_ram(areas, 0x8000);
    ASSERT_TRUE(ram.ok());
    EXPECT_EQ(ram.value().data(), &areas[1]);
    EXPECT_EQ(ram.value().size(), 3U);
    EXPECT_FALSE(find_guest_ram(areas, 0x9000).ok());
}

TEST(FindGuestRam, PrefersTheRunInUse) {
    const std::vector<MemoryArea> areas{area(0x1000, 0x9000, 4), area(0x10000, 0x18000, 400),
                                        area(0x20000, 0x28000, 40)};
    auto ram = find_guest_ram(areas, 0x8000);
    ASSERT_TRUE(ram.ok());
    EXPECT_EQ(ram.value().data(), &areas[1]);
}

TEST(FindGuestRam, SaysWhenThereIsNone) {
    auto ram = find_guest_ram({}, 0x8000);
    ASSERT_FALSE(ram.ok());
    EXPECT_EQ(ram.error().code, ENOENT);
}

// The kernel's own words about this very process.
TEST(ReadSmaps, SeesMemoryThatIsWrittenHere) {
    constexpr size_t kSize = (61 << 20) + 37 * 4096;  // like nothing else here
    constexpr size_t kWritten = 5 * 4096;
    void* const memory =
        ::mmap(nullptr, kSize + 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    std::byte* const inner = static_cast<std::byte*>(memory) + 4096;
    ASSERT_EQ(::mprotect(inner, kSize, PROT_READ | PROT_WRITE), 0);
    std::memset(inner, 1, kWritten);

    auto text = read_smaps(::getpid());
    ASSERT_TRUE(text.ok());
    auto areas = parse_smaps(text.value());
    ASSERT_TRUE(areas.ok());
    auto ram = find_guest_ram(areas.value(), kSize);
    ASSERT_TRUE(ram.ok());
    ASSERT_EQ(ram.value().size(), 1U);
    EXPECT_EQ(ram.value()[0].private_kib, kWritten / 1024);
    ::munmap(memory, kSize + 8192);
}

}  // namespace
