#include "monitor/boot/elf_notes.hpp"

#include <gtest/gtest.h>

#include "monitor/boot/test_images.hpp"

namespace {

constexpr std::string_view kXen{"Xen\0", 4};
constexpr std::string_view kLinux{"Linux\0", 6};
constexpr std::string_view kMayfly{"Mayfly\0", 7};

Result<LoadedKernel> load(const TestImage& image) {
    const GuestRam ram = std::move(GuestRam::create(2 << 20)).value();
    return load_kernel(image.embedded(), ram);
}

TEST(ElfNotes, XenEntryOfFourOrEightBytesIsPvh) {
    for (const uint32_t desc_bytes : {4U, 8U}) {
        TestImage image = elf::with_notes(16 + desc_bytes);
        elf::put_note(image, 0x200, 18, kXen, desc_bytes, 0x100040);
        const auto kernel = load(image);
        ASSERT_TRUE(kernel.ok()) << line_of(kernel.error());
        EXPECT_EQ(kernel.value().protocol, BootProtocol::kPvh);
        EXPECT_EQ(kernel.value().entry, GuestAddress{0x100040});
        EXPECT_FALSE(kernel.value().is_linux);  // other kernels have that note, too
    }
}

TEST(ElfNotes, MayflyEntryIsUser64AndGoesBeforeXen) {
    TestImage image = elf::with_notes(24 + 28 + 24);
    elf::put_note(image, 0x200, 18, kXen, 8, 0x100040);
    elf::put_note(image, 0x218, 0x4d460064, kMayfly, 8, 0x100050);
    elf::put_note(image, 0x234, 3, kXen, 8, 0xffffffff80000000);
    const auto kernel = load(image);
    ASSERT_TRUE(kernel.ok()) << line_of(kernel.error());
    EXPECT_EQ(kernel.value().protocol, BootProtocol::kUser64);
    EXPECT_EQ(kernel.value().entry, GuestAddress{0x100050});
    EXPECT_FALSE(kernel.value().is_linux);
}

TEST(ElfNotes, LinuxNoteMarksLinuxWithoutAnEntry) {
    TestImage image = elf::with_notes(28);
    elf::put_note(image, 0x200, 0x100, kLinux, 8, 0);
    const auto kernel = load(image);
    ASSERT_TRUE(kernel.ok()) << line_of(kernel.error());
    EXPECT_EQ(kernel.value().protocol, BootProtocol::kLinux64);
    EXPECT_TRUE(kernel.value().is_linux);
}

TEST(ElfNotes, OtherNotesSayNothing) {
    TestImage image = elf::with_notes(24 + 28 + 10);
    elf::put_note(image, 0x200, 18, {"Xem\0", 4}, 8, 0x100040);
    elf::put_note(image, 0x218, 0x4d460063, kMayfly, 8, 0x100050);  // and 10 bytes of padding
    const auto kernel = load(image);
    ASSERT_TRUE(kernel.ok()) << line_of(kernel.error());
    EXPECT_EQ(kernel.value().protocol, BootProtocol::kLinux64);
    EXPECT_FALSE(kernel.value().is_linux);
}

TEST(ElfNotes, EightByteSegmentsPadToEight) {
    TestImage image = elf::with_notes(0x30);
    // 12 + 7 rounds to 24 rather than 20, so the note takes 32 bytes.
    image.put<uint64_t>(elf::at(1, elf::kAlign), 8);
    image.put<uint32_t>(0x200, 7).put<uint32_t>(0x204, 8).put<uint32_t>(0x208, 0x4d460064);
    image.put_text(0x20c, kMayfly).put<uint64_t>(0x218, 0x100020);
    const auto kernel = load(image);
    ASSERT_TRUE(kernel.ok()) << line_of(kernel.error());
    EXPECT_EQ(kernel.value().entry, GuestAddress{0x100020});
}

// What a linker script makes of `.note.*` and a compiler's GNU property note, whose descriptor and
// section are padded to 8: one segment of alignment 8, in which all others are padded to 4.
TEST(ElfNotes, NotesPaddedToFourInASegmentPaddedToEight) {
    constexpr std::string_view kGnu{"GNU\0", 4};
    struct Note {
        uint32_t type;
        std::string_view name;
        uint32_t desc_bytes;
        uint64_t desc;
        size_t bytes;
    };
    const Note property{5, kGnu, 16, 0x4c0000002, 32};
    const Note build_salt{0x101, kLinux, 4, 0, 24};
    const Note xen_4{18, kXen, 4, 0x100040, 20};
    const Note xen_8{18, kXen, 8, 0x100040, 24};
    const Note version{5, kXen, 4, 0x302e33, 20};
    const std::vector<Note> orders[] = {
        {property, xen_4},
        {property, build_salt, xen_8},
        {property, version, xen_4},
        {xen_4, property},
        {build_salt, version, property, xen_8},
        {version, property, xen_4},
        {version, xen_4, property},
    };
    for (const uint64_t alignment : {4U, 8U}) {
        for (size_t order = 0; order < std::size(orders); ++order) {
            TestImage image = elf::with_notes(0x80);
            image.put<uint64_t>(elf::at(1, elf::kAlign), alignment);
            size_t at = 0x200;
            for (const Note& note : orders[order]) {
                if (note.name == kGnu) at = (at + 7) / 8 * 8;
                elf::put_note(image, at, note.type, note.name, note.desc_bytes, note.desc);
                at += note.bytes;
            }
            const auto kernel = load(image);
            ASSERT_TRUE(kernel.ok()) << order << ": " << line_of(kernel.error());
            EXPECT_EQ(kernel.value().protocol, BootProtocol::kPvh) << order;
            EXPECT_EQ(kernel.value().entry, GuestAddress{0x100040}) << order;
            EXPECT_EQ(kernel.value().is_linux,
                      orders[order][0].name == kLinux || orders[order][1].name == kLinux)
                << order;
        }
    }
}

TEST(ElfNotes, NotesOfOthersMayBeDamaged) {
    TestImage image = elf::with_notes(24 + 12);
    elf::put_note(image, 0x200, 18, kXen, 8, 0x100040);
    image.put<uint32_t>(0x218, 13).put<uint32_t>(0x21c, 0xffffffff).put<uint32_t>(0x220, 18);
    const auto kernel = load(image);
    ASSERT_TRUE(kernel.ok()) << line_of(kernel.error());
    EXPECT_EQ(kernel.value().entry, GuestAddress{0x100040});
}

TEST(ElfNotes, RefusesEntriesOutsideTheKernel) {
    TestImage image = elf::with_notes(24);
    elf::put_note(image, 0x200, 18, kXen, 8, 0x1000000100040);
    expect_refused(image.embedded(), "ELF PVH note's entry 0x1000000100040: is not in");
    TestImage user = elf::with_notes(28);
    elf::put_note(user, 0x200, 0x4d460064, kMayfly, 8, 0x102000);
    expect_refused(user.embedded(), "ELF Mayfly note's entry 0x102000: is not in");
}

TEST(ElfNotes, RefusesWrongSizes) {
    TestImage image = elf::with_notes(24);
    elf::put_note(image, 0x200, 18, kXen, 8, 0x100040).put<uint32_t>(0x204, 6);
    expect_refused(image.embedded(), "ELF PVH note's n_descsz 0x6: must be");
    image.put<uint32_t>(0x204, 0);
    expect_refused(image.embedded(), "ELF PVH note's n_descsz");
    image.put<uint32_t>(0x204, 0xffffffff);
    expect_refused(image.embedded(), "ELF PVH note's n_descsz 0xffffffff: must be");
    TestImage cut = elf::with_notes(20);
    elf::put_note(cut, 0x200, 18, kXen, 8, 0x100040);
    expect_refused(cut.embedded(), "ELF PVH note's n_descsz 0x8: reaches past");
    TestImage user = elf::with_notes(28);
    elf::put_note(user, 0x200, 0x4d460064, kMayfly, 4, 0x100050);
    expect_refused(user.embedded(), "ELF Mayfly note's n_descsz 0x4: must be 8");
}

TEST(ElfNotes, RefusesANoteSegmentOver64KiB) {
    TestImage image = elf::with_notes(28);
    image.resize(0x20000);
    image.put<uint64_t>(elf::at(1, elf::kFilesz), 0x10001);
    expect_refused(image.embedded(), "ELF PT_NOTE p_filesz 0x10001");
}

}  // namespace
