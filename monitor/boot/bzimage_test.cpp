#include "monitor/boot/bzimage.hpp"

#include <gtest/gtest.h>

#include "monitor/boot/test_images.hpp"

namespace {

GuestRam ram_of(uint64_t size_bytes) {
    return std::move(GuestRam::create(size_bytes)).value();
}

TEST(BzImage, LoadsTheProtectedModePart) {
    const GuestRam ram = ram_of(2 << 20);
    const TestImage image = bz::build(3);
    const auto kernel = load_kernel(image.embedded(), ram);
    ASSERT_TRUE(kernel.ok()) << line_of(kernel.error());
    EXPECT_EQ(kernel.value().protocol, BootProtocol::kLinux64);
    EXPECT_EQ(kernel.value().entry, GuestAddress{0x100200});
    EXPECT_EQ(kernel.value().end, GuestAddress{0x110000});
    EXPECT_TRUE(kernel.value().is_linux);
    EXPECT_EQ(kernel.value().initrd_address_max, 0x7fffffffU);
    EXPECT_TRUE(holds_pattern(ram.memory(), 0x100000, 2048, 0x1400));
    EXPECT_TRUE(is_zero(ram.memory(), 0x101400, 0x1000));
    // The header ends at 0x202 + 0x6a.
    const auto expected = image.bytes().subspan(0x1f1, 0x26c - 0x1f1);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), kernel.value().setup_header.begin(),
                           kernel.value().setup_header.end()));
}

TEST(BzImage, ZeroSetupSectorsMeanFour) {
    TestImage image = bz::build(4);
    image.put<uint8_t>(bz::kSetupSects, 0);
    const GuestRam ram = ram_of(2 << 20);
    ASSERT_TRUE(load_kernel(image.embedded(), ram).ok());
    EXPECT_TRUE(holds_pattern(ram.memory(), 0x100000, 2560, 0x1400));
}

TEST(BzImage, WhatFollowsSyssizeIsNotLoaded) {
    TestImage image = bz::build(3);
    image.put<uint32_t>(bz::kSyssize, 0x130);
    const GuestRam ram = ram_of(2 << 20);
    ASSERT_TRUE(load_kernel(image.embedded(), ram).ok());
    EXPECT_TRUE(holds_pattern(ram.memory(), 0x100000, 2048, 0x1300));
    EXPECT_TRUE(is_zero(ram.memory(), 0x101300, 0x100));
}

// As memtest86+ is: not relocatable, no release number, and not padded to a whole paragraph.
TEST(BzImage, LoadsAProgramThatIsNoLinux) {
    TestImage image = bz::build(2);
    image.put<uint8_t>(bz::kRelocatable, 0).put<uint16_t>(bz::kVersion, 0x20c);
    image.put<uint16_t>(bz::kJump, 0x66eb).put_text(0x300, "Memtest86+");
    image.resize(image.size() - 8);
    const GuestRam ram = ram_of(2 << 20);
    const auto kernel = load_kernel(image.embedded(), ram);
    ASSERT_TRUE(kernel.ok()) << line_of(kernel.error());
    EXPECT_FALSE(kernel.value().is_linux);
    EXPECT_EQ(kernel.value().setup_header.size(), 0x268U - 0x1f1U);
    EXPECT_TRUE(holds_pattern(ram.memory(), 0x100000, 1536, 0x13f8));
}

TEST(BzImage, AVersionStringOutsideTheSetupIsIgnored) {
    TestImage image = bz::build(1);
    image.put<uint16_t>(bz::kKernelVersion, 0x200).put<uint8_t>(0x400, '6');
    const GuestRam ram = ram_of(2 << 20);
    const auto kernel = load_kernel(image.embedded(), ram);
    ASSERT_TRUE(kernel.ok()) << line_of(kernel.error());
    EXPECT_FALSE(kernel.value().is_linux);
}

TEST(BzImage, AnOverlongHeaderIsBoundedByTheZeroPage) {
    TestImage image = bz::build(3);
    image.put<uint16_t>(bz::kJump, 0xffeb);
    const GuestRam ram = ram_of(2 << 20);
    const auto kernel = load_kernel(image.embedded(), ram);
    ASSERT_TRUE(kernel.ok()) << line_of(kernel.error());
    EXPECT_EQ(kernel.value().setup_header.size(), 0x290U - 0x1f1U);
}

TEST(BzImage, NeedsExactlyItsInitSize) {
    TestImage image = bz::build(3);
    image.put<uint32_t>(bz::kInitSize, 0x100000);
    EXPECT_TRUE(load_kernel(image.embedded(), ram_of(2 << 20)).ok());
    image.put<uint32_t>(bz::kInitSize, 0x100001);
    expect_refused(image.embedded(), "pref_address + init_size 0x200001: does not fit");
}

struct Refusal {
    const char* name;
    size_t at;
    uint64_t value;
    size_t width;
    const char* words;
};

class BzRefusal : public testing::TestWithParam<Refusal> {};

TEST_P(BzRefusal, NamesFieldAndValue) {
    const Refusal& refusal = GetParam();
    TestImage image = bz::build(3);
    for (size_t i = 0; i < refusal.width; ++i)
        image.put(refusal.at + i, static_cast<uint8_t>(refusal.value >> (8 * i)));
    expect_refused(image.embedded(), refusal.words);
}

INSTANTIATE_TEST_SUITE_P(
    Fields, BzRefusal,
    testing::Values(
        Refusal{"BootFlag", bz::kBootFlag, 0xaa54, 2, "is neither an ELF nor a bzImage"},
        Refusal{"OldProtocol", bz::kVersion, 0x20b, 2, "bzImage version 0x20b"},
        Refusal{"No64BitEntry", bz::kXloadflags, 0x7e, 2, "bzImage xloadflags 0x7e"},
        Refusal{"NotLoadedHigh", bz::kLoadflags, 0x80, 1, "bzImage loadflags 0x80"},
        Refusal{"ShortHeader", bz::kJump, 0x61eb, 2, "bzImage jump 0x61eb"},
        Refusal{"SetupPastEnd", bz::kSetupSects, 13, 1, "bzImage setup_sects 0xd: reaches past"},
        Refusal{"SyssizePastEnd", bz::kSyssize, 0x141, 4, "bzImage syssize 0x141: reaches past"},
        Refusal{"SyssizeHuge", bz::kSyssize, 0xffffffff, 4, "bzImage syssize 0xffffffff"},
        Refusal{"SyssizeSmall", bz::kSyssize, 0x20, 4, "bzImage syssize 0x20: is too small"},
        Refusal{"PrefLow", bz::kPrefAddress, 0xff000, 8, "bzImage pref_address 0xff000: is below"},
        Refusal{"PrefPastRam", bz::kPrefAddress, 0x200000, 8,
                "bzImage pref_address 0x200000: is not"},
        Refusal{"PrefHuge", bz::kPrefAddress, 0xfffffffffffff000, 8, "bzImage pref_address 0xfff"},
        Refusal{"InitSizeHuge", bz::kInitSize, 0xffffffff, 4,
                "pref_address + init_size 0x1000fffff"}),
    [](const auto& param) { return param.param.name; });

TEST(BzImage, TruncatedAnywhereIsRefused) {
    TestImage image = bz::build(3);
    const GuestRam ram = ram_of(2 << 20);
    // 15 bytes may lack: syssize counts paragraphs.
    for (size_t size = image.size() - 16; size > 0; size -= size > 0x300 ? 0x40 : 1) {
        image.resize(size);
        EXPECT_FALSE(load_kernel(image.embedded(), ram).ok()) << size;
    }
    EXPECT_TRUE(is_zero(ram.memory(), 0, 2 << 20));
}

}  // namespace
