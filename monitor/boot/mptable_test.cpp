#include "monitor/boot/mptable.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <vector>

#include "monitor/memory/layout.hpp"

namespace {

// Reads the table as a kernel does: at the offsets that MultiProcessor Specification 1.4 gives.
class MpTableTest : public testing::TestWithParam<uint32_t> {
protected:
    static constexpr size_t kFloating = 0x9fc00;

    void SetUp() override {
        ASSERT_TRUE(write_mp_table(GuestMemory(ram_), GetParam()).ok());
        table_ = u32(kFloating + 4);
    }

    uint8_t u8(size_t at) const { return std::to_integer<uint8_t>(ram_.at(at)); }
    uint16_t u16(size_t at) const { return static_cast<uint16_t>(u8(at) | u8(at + 1) << 8); }
    uint32_t u32(size_t at) const { return u16(at) | uint32_t{u16(at + 2)} << 16; }
    std::string text(size_t at, size_t length) const {
        std::string chars;
        for (size_t i = 0; i < length; ++i) chars.push_back(static_cast<char>(u8(at + i)));
        return chars;
    }
    uint8_t sum(size_t at, size_t length) const {
        unsigned total = 0;
        for (size_t i = 0; i < length; ++i) total += u8(at + i);
        return static_cast<uint8_t>(total);
    }

    // The entries of one type.
    using Entry = std::vector<uint8_t>;
    std::vector<Entry> entries(uint8_t type) const {
        std::vector<Entry> found;
        const size_t end = table_ + u16(table_ + 4);
        for (size_t at = table_ + 44; at < end;) {
            const size_t size = u8(at) == 0 ? 20 : 8;
            if (u8(at) == type) found.push_back(entry(at, size));
            at += size;
        }
        return found;
    }
    Entry entry(size_t at, size_t size) const {
        Entry bytes;
        for (size_t i = 0; i < size; ++i) bytes.push_back(u8(at + i));
        return bytes;
    }
    uint8_t io_apic_id() const { return static_cast<uint8_t>(GetParam()); }  // no processor's

    std::vector<std::byte> ram_ = std::vector<std::byte>(1 << 20);
    size_t table_ = 0;
};

TEST_P(MpTableTest, FloatingPointer) {
    EXPECT_EQ(text(kFloating, 4), "_MP_");
    EXPECT_EQ(table_, kFloating + 16);
    EXPECT_EQ(u8(kFloating + 8), 1);  // of 16 bytes
    EXPECT_EQ(u8(kFloating + 9), 4);  // 1.4
    EXPECT_EQ(sum(kFloating, 16), 0);
    EXPECT_EQ(u8(kFloating + 11), 0);  // a configuration table, no default configuration
    EXPECT_EQ(u8(kFloating + 12), 0);  // virtual wire mode, no IMCR
}

TEST_P(MpTableTest, Header) {
    const uint16_t length = u16(table_ + 4);
    EXPECT_EQ(text(table_, 4), "PCMP");
    EXPECT_EQ(length, 44 + 20 * GetParam() + 8 + 8 + 24 * 8 + 2 * 8);
    EXPECT_EQ(u8(table_ + 6), 4);
    EXPECT_EQ(sum(table_, length), 0);
    EXPECT_EQ(text(table_ + 8, 20), "MAYFLY  MICROVM     ");
    EXPECT_EQ(u32(table_ + 28), 0u);           // no OEM table
    EXPECT_EQ(u16(table_ + 32), 0);            //
    EXPECT_EQ(u32(table_ + 36), 0xfee00000u);  // local APIC
    EXPECT_EQ(u32(table_ + 40), 0u);           // no extended table
}

TEST_P(MpTableTest, NothingOutsideItsPlace) {
    const size_t end = table_ + u16(table_ + 4);
    EXPECT_LE(end - kFloating, layout::kMpTableMaxBytes);
    const auto at = [this](size_t offset) { return ram_.begin() + static_cast<int>(offset); };
    std::fill(at(kFloating), at(end), std::byte{0});
    EXPECT_TRUE(ram_ == std::vector<std::byte>(ram_.size()));
}

// §4.3: the base table's entries are sorted by type; the count is of all.
TEST_P(MpTableTest, EntriesAscendByType) {
    std::vector<uint8_t> types;
    const size_t end = table_ + u16(table_ + 4);
    size_t at = table_ + 44;
    for (; at < end; at += types.back() == 0 ? 20U : 8U) types.push_back(u8(at));
    EXPECT_EQ(at, end);
    EXPECT_EQ(types.size(), u16(table_ + 34));
    EXPECT_TRUE(std::is_sorted(types.begin(), types.end()));
}

TEST_P(MpTableTest, Processors) {
    std::vector<Entry> expected;
    for (uint8_t id = 0; id < GetParam(); ++id) {
        const uint8_t flags = id == 0 ? 3 : 1;  // usable; the first boots
        // APIC version, family 6, with FPU, CX8 and APIC.
        expected.push_back({0, id, 0x14, flags, 0, 6, 0, 0, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    }
    EXPECT_EQ(entries(0), expected);
}

TEST_P(MpTableTest, BusAndIoApic) {
    EXPECT_EQ(entries(1), std::vector<Entry>({{1, 0, 'I', 'S', 'A', ' ', ' ', ' '}}));
    EXPECT_EQ(entries(2), std::vector<Entry>({{2, io_apic_id(), 0x11, 1, 0, 0, 0xc0, 0xfe}}));
}

TEST_P(MpTableTest, EveryIoApicInputIsTheIrqOfItsNumber) {
    std::vector<Entry> expected;
    for (uint8_t irq = 0; irq < 24; ++irq)  // INT, active high and edge, from ISA
        expected.push_back({3, 0, 0b0101, 0, 0, irq, io_apic_id(), irq});
    EXPECT_EQ(entries(3), expected);
}

TEST_P(MpTableTest, LocalInterrupts) {
    EXPECT_EQ(entries(4), std::vector<Entry>({
                              {4, 3, 0, 0, 0, 0, 0, 0},     // ExtINT, bootstrap processor, LINT0
                              {4, 1, 0, 0, 0, 0, 0xff, 1},  // NMI, all, LINT1
                          }));
}

INSTANTIATE_TEST_SUITE_P(Vcpus, MpTableTest, testing::Values(1, 2, 31, 32),
                         testing::PrintToStringParamName());

int error_code(std::vector<std::byte>& ram, uint32_t vcpus) {
    const auto result = write_mp_table(GuestMemory(ram), vcpus);
    return result.ok() ? 0 : result.error().code;
}

TEST(MpTable, RefusesNumbersThatDoNotFit) {
    std::vector<std::byte> ram(1 << 20);
    for (const uint32_t vcpus : {0u, 33u, UINT32_MAX}) EXPECT_EQ(error_code(ram, vcpus), EINVAL);
    EXPECT_TRUE(ram == std::vector<std::byte>(ram.size()));
}

TEST(MpTable, RamThatEndsTooSoonIsAnErrorAndStaysAsItWas) {
    constexpr size_t end = 0x9fc00 + 16 + 44 + 20 + 8 + 8 + 26 * 8;
    for (const size_t size : {size_t{0x1000}, size_t{0x9fc00}, end - 1}) {
        std::vector<std::byte> ram(size);
        EXPECT_EQ(error_code(ram, 1), EFAULT);
        EXPECT_TRUE(ram == std::vector<std::byte>(size));
    }
    std::vector<std::byte> ram(end);
    EXPECT_EQ(error_code(ram, 1), 0);
}

}  // namespace
