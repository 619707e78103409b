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
    image.put<uint32_t>(0x204, 9);
    expect_refused(image.embedded(), "ELF n_descsz 0x9: reaches past");
    image.put<uint32_t>(0x204, 0xffffffff);
    expect_refused(image.embedded(), "ELF n_descsz 0xffffffff: reaches past");
    image.put<uint32_t>(0x200, 13);
    expect_refused(image.embedded(), "ELF n_namesz 0xd: reaches past");
    image.put<uint32_t>(0x200, 0xfffffffd);
    expect_refused(image.embedded(), "ELF n_namesz 0xfffffffd: reaches past");
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
