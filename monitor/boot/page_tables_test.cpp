#include "monitor/boot/page_tables.hpp"

#include <gtest/gtest.h>
#include <optional>

#include "monitor/boot/test_images.hpp"

namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kGiB = 1 << 30;
constexpr uint64_t kFirstFree = 0x20000;  // no table may reach it

struct Leaf {
    uint64_t physical;
    bool writable, user;
};

// Walks the tables as the processor does; nothing where the address is not mapped.
std::optional<Leaf> walk(const GuestMemory& memory, uint64_t cr3, uint64_t linear) {
    const auto entry_of = [&](uint64_t table, unsigned shift) {
        EXPECT_LT(table & 0xffffffffff000, kFirstFree);
        const uint64_t at = (table & 0xffffffffff000) + (linear >> shift) % 512 * 8;
        return memory.read<uint64_t>(GuestAddress{at}).value();
    };
    const uint64_t pml4e = entry_of(cr3, 39);
    const uint64_t pdpte = (pml4e & 1) != 0 ? entry_of(pml4e, 30) : 0;
    const uint64_t pde = (pdpte & 1) != 0 ? entry_of(pdpte, 21) : 0;
    if ((pde & 1) == 0) return std::nullopt;
    EXPECT_EQ(pdpte & 0x80, 0U);  // 1 GiB pages are not on every host
    EXPECT_EQ(pde & 0x80, 0x80U);
    const uint64_t rights = pml4e & pdpte & pde;
    return Leaf{(pde & 0xfffffffe00000) + linear % (2 * kMiB), (rights & 2) != 0,
                (rights & 4) != 0};
}

class PageTables : public testing::Test {
protected:
    void write(uint64_t ram_bytes, PageAccess access) {
        ram_.emplace(std::move(GuestRam::create(ram_bytes)).value());
        const auto cr3 = write_page_tables(ram_->memory(), ram_->regions(), access);
        ASSERT_TRUE(cr3.ok()) << line_of(cr3.error());
        cr3_ = cr3.value().value;
        EXPECT_EQ(cr3_, 0x9000U);
        EXPECT_TRUE(is_zero(ram_->memory(), kFirstFree, 0x1000));
    }
    void expect_mapped(uint64_t linear, bool user) const {
        const auto leaf = walk(ram_->memory(), cr3_, linear);
        ASSERT_TRUE(leaf) << std::hex << linear;
        EXPECT_EQ(leaf->physical, linear);
        EXPECT_TRUE(leaf->writable);
        EXPECT_EQ(leaf->user, user);
    }
    void expect_unmapped(uint64_t linear) const {
        EXPECT_FALSE(walk(ram_->memory(), cr3_, linear)) << std::hex << linear;
    }

    std::optional<GuestRam> ram_;
    uint64_t cr3_ = 0;
};

TEST_F(PageTables, SupervisorMapsLowRamInWholeGiB) {
    write(128 * kMiB, PageAccess::kSupervisor);
    for (uint64_t at = 0; at < kGiB; at += 2 * kMiB) expect_mapped(at + at % 4093, false);
    for (const uint64_t at : {kGiB, 3 * kGiB, 4 * kGiB, 512 * kGiB}) expect_unmapped(at);
    EXPECT_TRUE(is_zero(ram_->memory(), 0xc000, 0x14000));  // one page directory
}

TEST_F(PageTables, SupervisorCoversAllLowRamOfALargeGuest) {
    write(64 * kGiB, PageAccess::kSupervisor);
    expect_mapped(3 * kGiB - 1, false);
    expect_unmapped(3 * kGiB);
    expect_unmapped(4 * kGiB);
}

TEST_F(PageTables, UserMapsRamAndTheDeviceWindows) {
    write(128 * kMiB, PageAccess::kUser);
    for (uint64_t at = 0; at < 128 * kMiB; at += 2 * kMiB) expect_mapped(at, true);
    expect_unmapped(128 * kMiB);
    expect_unmapped(0xc0000000 - 1);
    expect_mapped(0xc0000000, true);
    expect_mapped(0xc0001000, true);
    expect_unmapped(0xc0200000);
    EXPECT_TRUE(is_zero(ram_->memory(), 0xd000, 0x13000));  // two page directories
}

TEST_F(PageTables, UserMapsRamOnBothSidesOfTheGap) {
    write(5 * kGiB + 4096, PageAccess::kUser);
    for (uint64_t at = 0; at < 3 * kGiB; at += 2 * kMiB) expect_mapped(at, true);
    expect_mapped(0xc0000000, true);
    expect_unmapped(0xc0200000);
    for (uint64_t at = 4 * kGiB; at < 6 * kGiB; at += 2 * kMiB) expect_mapped(at, true);
    expect_mapped(6 * kGiB, true);
    expect_unmapped(6 * kGiB + 2 * kMiB);
}

TEST_F(PageTables, UserHasRoomFor20GiB) {
    write(20 * kGiB, PageAccess::kUser);
    expect_mapped(21 * kGiB - 1, true);
    for (const uint64_t more : {20 * kGiB + 4096, 600 * kGiB}) {
        const GuestRam ram = std::move(GuestRam::create(more)).value();
        const auto refused = write_page_tables(ram.memory(), ram.regions(), PageAccess::kUser);
        ASSERT_FALSE(refused.ok());
        EXPECT_NE(line_of(refused.error()).find("20 GiB at most"), std::string::npos);
        EXPECT_TRUE(is_zero(ram.memory(), 0x9000, 0x17000));
    }
}

TEST_F(PageTables, TooLittleRamForThemIsAnError) {
    const GuestRam ram = std::move(GuestRam::create(0xb000)).value();
    const auto written = write_page_tables(ram.memory(), ram.regions(), PageAccess::kUser);
    ASSERT_FALSE(written.ok());
    EXPECT_EQ(written.error().code, EFAULT);
}

}  // namespace
