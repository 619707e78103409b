#include "monitor/boot/elf_image.hpp"

#include <gtest/gtest.h>

#include "monitor/boot/test_images.hpp"

namespace {

GuestRam ram_of(uint64_t size_bytes) {
    return std::move(GuestRam::create(size_bytes)).value();
}

TEST(ElfImage, LoadsASegmentAndEntersItByTheLinuxProtocol) {
    const GuestRam ram = ram_of(2 << 20);
    const TestImage image = elf::simple();
    const auto kernel = load_kernel(image.embedded(), ram);
    ASSERT_TRUE(kernel.ok()) << line_of(kernel.error());
    EXPECT_EQ(kernel.value().protocol, BootProtocol::kLinux64);
    EXPECT_EQ(kernel.value().entry, GuestAddress{0x100000});
    EXPECT_EQ(kernel.value().end, GuestAddress{0x103000});
    EXPECT_FALSE(kernel.value().is_linux);
    EXPECT_TRUE(kernel.value().setup_header.empty());
    EXPECT_TRUE(holds_pattern(ram.memory(), 0x100000, 0x1000, 0x1800));
    EXPECT_TRUE(is_zero(ram.memory(), 0x101800, 0x1800));
}

TEST(ElfImage, LoadsSegmentsOfAnyOrderAndAlignment) {
    const elf::Segment segments[] = {{1, 4, 0x1234, 0x140010, 0x777, 0x777},
                                     {1, 5, 0x201, 0x120001, 0x999, 0x1000},
                                     {1, 4, 0, 0, 0, 0},  // an empty one is nothing to load
                                     {1, 6, 0x1fff, 0x140787, 0, 0x10}};
    const TestImage image = elf::build(0x2000, 0x120999, segments);
    const GuestRam ram = ram_of(2 << 20);
    const auto kernel = load_kernel(image.embedded(), ram);
    ASSERT_TRUE(kernel.ok()) << line_of(kernel.error());
    EXPECT_EQ(kernel.value().end, GuestAddress{0x140797});
    EXPECT_TRUE(holds_pattern(ram.memory(), 0x140010, 0x1234, 0x777));
    EXPECT_TRUE(holds_pattern(ram.memory(), 0x120001, 0x201, 0x999));
    EXPECT_TRUE(is_zero(ram.memory(), 0x12099a, 0x1000));
}

// Linux from 6.17 on has its start-up code in a segment of data.
TEST(ElfImage, AnEntryNeedsNoExecutableSegment) {
    for (const uint32_t flags : {4U, 6U, 0U}) {
        TestImage image = elf::with_notes(24);
        image.put(elf::at(0, elf::kFlags), flags);
        elf::put_note(image, 0x200, 18, {"Xen\0", 4}, 8, 0x1017ff);
        const auto kernel = load_kernel(image.embedded(), ram_of(2 << 20));
        ASSERT_TRUE(kernel.ok()) << line_of(kernel.error());
        EXPECT_EQ(kernel.value().entry, GuestAddress{0x1017ff});
    }
}

TEST(ElfImage, ASegmentWithoutBytesMayLieAnywhereInTheFile) {
    const elf::Segment segments[] = {{1, 5, 0x1000, 0x100000, 0x1000, 0x1000},
                                     {1, 6, 0x7fffff000, 0x140010, 0, 0x1000},
                                     {4, 4, 0xffffffffffffffff, 0, 0, 0}};
    TestImage image = elf::build(0x2000, 0x100000, std::span(segments, 1));
    image.put<uint16_t>(elf::kPhnum, 3);
    for (size_t i = 1; i < 3; ++i) {
        image.put(elf::at(i, 0), segments[i].type)
            .put(elf::at(i, elf::kOffset), segments[i].offset);
        image.put(elf::at(i, elf::kPaddr), segments[i].paddr);
        image.put(elf::at(i, elf::kMemsz), segments[i].memsz);
    }
    const TestFile file(image.bytes());
    const auto opened = Image::open(file.path());
    const Image embedded = image.embedded();
    for (const Image* from : {&opened.value(), &embedded}) {
        const auto kernel = load_kernel(*from, ram_of(2 << 20));
        ASSERT_TRUE(kernel.ok()) << line_of(kernel.error());
        EXPECT_EQ(kernel.value().end, GuestAddress{0x141010});
    }
}

TEST(ElfImage, PositionIndependentCodeGoesWhereItIsLinked) {
    TestImage image = elf::simple();
    image.put<uint16_t>(16, 3);
    const GuestRam ram = ram_of(2 << 20);
    const auto kernel = load_kernel(image.embedded(), ram);
    ASSERT_TRUE(kernel.ok()) << line_of(kernel.error());
    EXPECT_EQ(kernel.value().entry, GuestAddress{0x100000});
    EXPECT_TRUE(holds_pattern(ram.memory(), 0x100000, 0x1000, 0x1800));
    image.put<uint64_t>(elf::at(0, elf::kPaddr), 0x1000);
    expect_refused(image.embedded(), "ELF p_paddr 0x1000: is below 1 MiB");
}

TEST(ElfImage, ThirtyTwoBitsAreBootedByAPvhNote) {
    TestImage image = elf::build_32(0x18);
    elf::put_note(image, 0x200, 18, {"Xen\0", 4}, 4, 0x100040);
    const GuestRam ram = ram_of(2 << 20);
    const auto kernel = load_kernel(image.embedded(), ram);
    ASSERT_TRUE(kernel.ok()) << line_of(kernel.error());
    EXPECT_EQ(kernel.value().protocol, BootProtocol::kPvh);
    EXPECT_EQ(kernel.value().entry, GuestAddress{0x100040});
    EXPECT_EQ(kernel.value().end, GuestAddress{0x103000});
    EXPECT_TRUE(holds_pattern(ram.memory(), 0x100000, 0x1000, 0x1800));
    EXPECT_TRUE(is_zero(ram.memory(), 0x101800, 0x1800));
}

TEST(ElfImage, ThirtyTwoBitsByNothingElse) {
    const auto with = [](size_t at, uint16_t value) {
        TestImage image = elf::build_32(0x18);
        elf::put_note(image, 0x200, 18, {"Xen\0", 4}, 4, 0x100040);
        return image.put(at, value);
    };
    constexpr const char* kLine = "ELF EI_CLASS 0x1: a 32-bit kernel needs a PVH note";
    expect_refused(elf::build_32(0x18).embedded(), kLine);
    TestImage user64 = elf::build_32(28);
    elf::put_note(user64, 0x200, 0x4d460064, {"Mayfly\0", 7}, 8, 0x100050);
    expect_refused(user64.embedded(), kLine);
    expect_refused(with(18, 62).embedded(), "ELF e_machine 0x3e: is not an i386 kernel");
    expect_refused(with(42, 56).embedded(), "ELF e_phentsize 0x38");
    expect_refused(with(44, 400).embedded(), "ELF e_phnum 0x190");
    expect_refused(with(28, 0x27f0).embedded(), "ELF e_phoff 0x27f0: reaches past");
    expect_refused(with(52 + 18, 0xffff).embedded(), "ELF p_filesz 0xffff1800: reaches past");
    TestImage cut = elf::build_32(0x18);
    expect_refused(cut.resize(51).embedded(), "ELF header 0x33: is cut short");
}

struct Refusal {
    const char* name;
    size_t at;
    uint64_t value;
    size_t width;
    const char* words;
};

class ElfRefusal : public testing::TestWithParam<Refusal> {};

TEST_P(ElfRefusal, NamesFieldAndValue) {
    const Refusal& refusal = GetParam();
    TestImage image = elf::simple();
    for (size_t i = 0; i < refusal.width; ++i)
        image.put(refusal.at + i, static_cast<uint8_t>(refusal.value >> (8 * i)));
    expect_refused(image.embedded(), refusal.words);
}

constexpr uint64_t kHuge = 0xffffffffffffffff;

INSTANTIATE_TEST_SUITE_P(
    Fields, ElfRefusal,
    testing::Values(
        Refusal{"ClassNone", 4, 0, 1, "ELF EI_CLASS 0: is neither"},
        Refusal{"Class3", 4, 3, 1, "ELF EI_CLASS 0x3: is neither"},
        Refusal{"BigEndian", 5, 2, 1, "ELF EI_DATA 0x2: is not little-endian"},
        Refusal{"Relocatable", 16, 1, 2, "ELF e_type 0x1: is not"},
        Refusal{"CoreDump", 16, 4, 2, "ELF e_type 0x4: is not"},
        Refusal{"Machine", 18, 183, 2, "ELF e_machine 0xb7: is not an x86-64"},
        Refusal{"EntryBelow", elf::kEntry, 0xfffff, 8, "ELF e_entry 0xfffff: is not in"},
        Refusal{"EntryInBss", elf::kEntry, 0x101800, 8, "ELF e_entry 0x101800: is not in"},
        Refusal{"EntryHuge", elf::kEntry, kHuge, 8, "ELF e_entry 0xffffffffffffffff"},
        Refusal{"PhoffPastEnd", elf::kPhoff, 0x2800, 8, "ELF e_phoff 0x2800: reaches past"},
        Refusal{"PhoffHuge", elf::kPhoff, kHuge - 8, 8, "ELF e_phoff 0xfffffffffffffff7"},
        Refusal{"Phentsize", elf::kPhentsize, 32, 2, "ELF e_phentsize 0x20"},
        Refusal{"PhnumZero", elf::kPhnum, 0, 2, "ELF e_phnum"},
        Refusal{"PhnumMany", elf::kPhnum, 65, 2, "ELF e_phnum 0x41"},
        Refusal{"NoLoad", elf::at(0, 0), 6, 4, "ELF PT_LOAD"},
        Refusal{"OffsetPastEnd", elf::at(0, elf::kOffset), 0x2801, 8, "ELF p_offset 0x2801: reach"},
        Refusal{"OffsetHuge", elf::at(0, elf::kOffset), kHuge - 0x17ff, 8, "ELF p_offset 0xfff"},
        Refusal{"FileszPastEnd", elf::at(0, elf::kFilesz), 0x1801, 8, "ELF p_filesz 0x1801: reach"},
        Refusal{"FileszHuge", elf::at(0, elf::kFilesz), kHuge, 8,
                "ELF p_filesz 0xffffffffffffffff: reach"},
        Refusal{"MemszSmall", elf::at(0, elf::kMemsz), 0x17ff, 8, "ELF p_filesz 0x1800: is more"},
        Refusal{"MemszPastRam", elf::at(0, elf::kMemsz), 0x100001, 8, "ELF p_memsz 0x100001"},
        Refusal{"MemszHuge", elf::at(0, elf::kMemsz), kHuge, 8, "ELF p_memsz 0xffffffffffffffff"},
        Refusal{"PaddrLow", elf::at(0, elf::kPaddr), 0xfffff, 8, "ELF p_paddr 0xfffff: is below"},
        Refusal{"PaddrPastRam", elf::at(0, elf::kPaddr), 0x200000, 8,
                "ELF p_paddr 0x200000: is not"},
        Refusal{"PaddrHuge", elf::at(0, elf::kPaddr), kHuge - 0xfff, 8, "ELF p_paddr 0xffff"}),
    [](const auto& param) { return param.param.name; });

TEST(ElfImage, RefusesSegmentsThatOverlap) {
    elf::Segment segments[] = {{1, 5, 0x200, 0x101000, 0x100, 0x100},
                               {1, 5, 0x200, 0x100000, 0x100, 0x1000}};
    const GuestRam ram = ram_of(2 << 20);
    const TestImage touching = elf::build(0x1000, 0x100000, segments);
    EXPECT_TRUE(load_kernel(touching.embedded(), ram).ok());
    segments[1].memsz = 0x1001;
    const TestImage overlapping = elf::build(0x1000, 0x100000, segments);
    expect_refused(overlapping.embedded(), "ELF p_paddr 0x101000: overlaps");
}

TEST(ElfImage, RefusesAnythingAboveTheMmioGap) {
    TestImage image = elf::simple();
    image.put<uint64_t>(elf::at(0, elf::kPaddr), 0x100000000);
    expect_refused(image.embedded(), "ELF p_paddr 0x100000000", 5ULL << 30);
}

TEST(ElfImage, TruncatedAnywhereIsRefused) {
    TestImage image = elf::with_notes(0x20);
    const size_t whole = image.size();
    const GuestRam ram = ram_of(2 << 20);
    for (size_t size = whole - 1; size > 0; size -= size > 0x300 ? 0x80 : 1) {
        image.resize(size);
        EXPECT_FALSE(load_kernel(image.embedded(), ram).ok()) << size;
    }
    EXPECT_TRUE(is_zero(ram.memory(), 0, 2 << 20));
}

}  // namespace
