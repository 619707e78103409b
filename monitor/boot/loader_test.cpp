#include "monitor/boot/loader.hpp"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

#include "monitor/boot/test_images.hpp"

namespace {

GuestRam ram_of(uint64_t size_bytes) {
    return std::move(GuestRam::create(size_bytes)).value();
}

TEST(Loader, NamesWhatItWasGivenInstead) {
    const struct {
        std::string_view bytes;
        const char* words;
    } cases[] = {
        {"", "neither an ELF nor a bzImage"},
        {"\x7f"
         "EL",
         "neither an ELF nor a bzImage"},
        {"#!/bin/sh\n", "neither an ELF nor a bzImage"},
        {"\x1f\x8b\x08", "gzip-compressed; unpack it first"},
        {{"\xfd"
          "7zXZ\0",
          6},
         "xz-compressed; unpack it first"},
        {"\x28\xb5\x2f\xfd", "zstd-compressed; unpack it first"},
        {"\x02\x21\x4c\x18", "lz4-compressed; unpack it first"},
        {"MZ\x90", "EFI program"},
        {"070701", "cpio archive"},
        {"\x7f"
         "ELF\x01",
         "ELF header 0x5: is cut short"},
    };
    for (const auto& c : cases)
        expect_refused(Image::embedded(std::as_bytes(std::span(c.bytes))), c.words);
}

TEST(Loader, NamesTheFile) {
    const TestFile file(TestImage(0x400).bytes());
    const auto image = Image::open(file.path());
    ASSERT_TRUE(image.ok());
    expect_refused(image.value(), file.path());
}

TEST(Loader, AFileCutShortAfterItWasOpenedIsAnError) {
    const TestImage bytes = elf::simple();
    for (const size_t size : {size_t{0}, size_t{70}, size_t{0x27ff}}) {
        const TestFile file(bytes.bytes());
        const auto image = Image::open(file.path());
        file.cut(size);
        const auto loaded = load_kernel(image.value(), ram_of(2 << 20));
        ASSERT_FALSE(loaded.ok());
        EXPECT_EQ(loaded.error().code, ENODATA);
    }
}

LoadedKernel kernel_up_to(uint64_t end, uint32_t initrd_address_max) {
    LoadedKernel kernel;
    kernel.end = GuestAddress{end};
    kernel.initrd_address_max = initrd_address_max;
    return kernel;
}

TEST(Initrd, LiesAtTheTopOfLowRam) {
    const TestImage bytes = TestImage(0x2345).fill(0, 0x2345);
    const TestFile file(bytes.bytes());
    const auto from_file = Image::open(file.path());
    const Image embedded = bytes.embedded();
    for (const Image* image : {&from_file.value(), &embedded}) {
        const GuestRam ram = ram_of(4 << 20);
        const auto initrd = load_initrd({.file = image}, ram, kernel_up_to(0x200001, 0x7fffffff));
        ASSERT_TRUE(initrd.ok()) << line_of(initrd.error());
        EXPECT_EQ(initrd.value().address, GuestAddress{0x3fd000});
        EXPECT_EQ(initrd.value().size_bytes, 0x2345U);
        EXPECT_TRUE(holds_pattern(ram.memory(), 0x3fd000, 0, 0x2345));
        EXPECT_TRUE(is_zero(ram.memory(), 0x3ff345, 0xcbb));
    }
}

TEST(Initrd, KeepsToTheKernelsLimitAndLowRam) {
    const TestImage bytes = TestImage(0x1001).fill(0, 0x1001);
    const auto at = [&bytes](uint64_t ram_bytes, uint32_t address_max) {
        const Image image = bytes.embedded();
        const auto initrd =
            load_initrd({.file = &image}, ram_of(ram_bytes), kernel_up_to(0x200000, address_max));
        return initrd.ok() ? initrd.value().address.value : 0;
    };
    EXPECT_EQ(at(4 << 20, 0x2ff000), 0x2fe000U);  // the last byte is at the limit itself
    EXPECT_EQ(at(4 << 20, 0x2fefff), 0x2fd000U);
    EXPECT_EQ(at(4ULL << 30, 0x7fffffff), 0x7fffe000U);
    EXPECT_EQ(at(5ULL << 30, 0xffffffff), 0xbfffe000U);
}

TEST(Initrd, IsRefusedWhereItWouldCoverTheKernel) {
    const TestImage bytes(0x2000);
    const Image image = bytes.embedded();
    const GuestRam ram = ram_of(2 << 20);
    EXPECT_TRUE(load_initrd({.file = &image}, ram, kernel_up_to(0x1fe000, 0x7fffffff)).ok());
    for (const auto& [end, limit] : {std::pair{0x1fe001U, 0x7fffffffU},
                                     {0x200000U, 0x7fffffffU},
                                     {0x180000U, 0x180000U},
                                     {0x180000U, 0U}}) {
        const auto initrd = load_initrd({.file = &image}, ram, kernel_up_to(end, limit));
        ASSERT_FALSE(initrd.ok());
        EXPECT_NE(line_of(initrd.error()).find("initrd of bytes 0x2000: "), std::string::npos);
    }
}

// Whatever memory the guest has, the kernel takes none above its limit, and none lies above 3 GiB.
TEST(Initrd, ThatNoMemoryHasRoomForIsSaidToBeTooLarge) {
    const TestFile file(TestImage(1).bytes());
    for (const auto& [size, limit, is_too_large] : {std::tuple{0x7ff00000U, 0x7fffffffU, false},
                                                    {0x7ff00001U, 0x7fffffffU, true},
                                                    {0xbff00000U, 0xffffffffU, false},
                                                    {0xbff00001U, 0xffffffffU, true}}) {
        file.cut(size);
        const auto image = Image::open(file.path());
        const auto initrd =
            load_initrd({.file = &image.value()}, ram_of(2 << 20), kernel_up_to(0x100000, limit));
        ASSERT_FALSE(initrd.ok());
        const char* const words = is_too_large
                                      ? "is too large for this kernel, whatever the memory; "
                                        "make it smaller"
                                      : "does not fit above the kernel; give more --memory";
        EXPECT_NE(line_of(initrd.error()).find(words), std::string::npos)
            << line_of(initrd.error());
    }
}

TEST(Initrd, BytesOfTheMonitorsFollowTheFile) {
    const TestImage bytes = TestImage(0x2345).fill(0, 0x2345);
    const Image image = bytes.embedded();
    const GuestRam ram = ram_of(4 << 20);
    const std::array appended = {std::byte{1}, std::byte{2}, std::byte{3}};
    const LoadedKernel kernel = kernel_up_to(0x200000, 0x7fffffff);
    const auto both = load_initrd({.file = &image, .appended = appended}, ram, kernel);
    ASSERT_TRUE(both.ok()) << line_of(both.error());
    EXPECT_EQ(both.value().size_bytes, 0x2348U + appended.size());
    EXPECT_TRUE(holds_pattern(ram.memory(), both.value().address.value, 0, 0x2345));
    const GuestAddress end = both.value().address + 0x2345;
    EXPECT_EQ(ram.memory().read<uint32_t>(end + 3).value(), 0x030201U);
    EXPECT_TRUE(is_zero(ram.memory(), end.value, 3));

    const auto alone = load_initrd({.appended = appended}, ram, kernel);
    ASSERT_TRUE(alone.ok()) << line_of(alone.error());
    EXPECT_EQ(ram.memory().read<uint16_t>(alone.value().address).value(), 0x0201U);
    const auto large = load_initrd({.appended = std::vector<std::byte>(4 << 20)}, ram, kernel);
    ASSERT_FALSE(large.ok());
    EXPECT_TRUE(line_of(large.error()).starts_with("--image: initrd of bytes"));
}

// How many bytes of this process's memory are mapped from the file.
uint64_t mapped_bytes(const char* path) {
    std::ifstream maps("/proc/self/maps");
    uint64_t sum = 0;
    for (std::string line; std::getline(maps, line);) {
        if (line.find(path) == std::string::npos) continue;
        const size_t dash = line.find('-');
        sum += std::stoull(line.substr(dash + 1), nullptr, 16) -
               std::stoull(line.substr(0, dash), nullptr, 16);
    }
    return sum;
}

TEST(LoaderTest, NothingIsMappedWhereThePagesAreToBeOurOwn) {
    const TestFile kernel_file(elf::simple().bytes());
    const TestFile initrd_file(TestImage(0x3000).fill(0, 0x3000).bytes());
    const auto image = Image::open(kernel_file.path());
    const auto initrd = Image::open(initrd_file.path());
    for (const ImagePages pages : {ImagePages::kShared, ImagePages::kOwn}) {
        const GuestRam ram = ram_of(2 << 20);
        const auto kernel = load_kernel(image.value(), ram, pages);
        ASSERT_TRUE(kernel.ok());
        EXPECT_TRUE(holds_pattern(ram.memory(), 0x100000, 0x1000, 0x1800));
        const auto loaded = load_initrd({.file = &initrd.value()}, ram, kernel.value(), pages);
        ASSERT_TRUE(loaded.ok());
        EXPECT_TRUE(holds_pattern(ram.memory(), loaded.value().address.value, 0, 0x3000));
        EXPECT_EQ(mapped_bytes(kernel_file.path()), pages == ImagePages::kShared ? 0x1000U : 0U);
        EXPECT_EQ(mapped_bytes(initrd_file.path()), pages == ImagePages::kShared ? 0x3000U : 0U);
    }
}

// The kernels that the distribution has installed here.
TEST(InstalledKernel, DebianKernelsLoad) {
    size_t count = 0;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator("/boot", none)) {
        if (!entry.path().filename().string().starts_with("vmlinuz-")) continue;
        if (entry.path().string().find("amd64") == std::string::npos) continue;
        const auto image = Image::open(entry.path().c_str());
        if (!image.ok()) continue;  // readable by root only
        const GuestRam ram = ram_of(256 << 20);
        const auto kernel = load_kernel(image.value(), ram);
        ASSERT_TRUE(kernel.ok()) << line_of(kernel.error());
        EXPECT_EQ(kernel.value().protocol, BootProtocol::kLinux64);
        EXPECT_TRUE(kernel.value().is_linux);
        EXPECT_EQ(kernel.value().entry, GuestAddress{0x1000200});
        // startup_64 begins with cld and cli.
        EXPECT_EQ(ram.memory().read<uint16_t>(kernel.value().entry).value(), 0xfafc);
        EXPECT_FALSE(load_kernel(image.value(), ram_of(32 << 20)).ok());
        ++count;
    }
    if (count == 0) GTEST_SKIP() << "no readable /boot/vmlinuz-*amd64 (package linux-image-amd64)";
}

TEST(InstalledKernel, Memtest86PlusLoads) {
    const auto image = Image::open("/boot/memtest86+x64.bin");
    if (!image.ok()) GTEST_SKIP() << "no /boot/memtest86+x64.bin (package memtest86+)";
    const auto kernel = load_kernel(image.value(), ram_of(16 << 20));
    ASSERT_TRUE(kernel.ok()) << line_of(kernel.error());
    EXPECT_EQ(kernel.value().protocol, BootProtocol::kLinux64);
    EXPECT_FALSE(kernel.value().is_linux);
}

}  // namespace
