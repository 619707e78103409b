#include "monitor/memory/guest_ram.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <vector>

#include "base/unique_fd.hpp"

namespace {

constexpr uint64_t kGiB = 1 << 30;

// A file of `size` bytes, of which each page begins with its number, from 1 up.
UniqueFd file_of_numbered_pages(size_t size) {
    UniqueFd file(::memfd_create("pages", MFD_CLOEXEC));
    EXPECT_EQ(::ftruncate(file.get(), static_cast<off_t>(size)), 0);
    for (size_t at = 0; at < size; at += 0x1000) {
        const auto number = static_cast<uint8_t>(at / 0x1000 + 1);
        EXPECT_EQ(::pwrite(file.get(), &number, 1, static_cast<off_t>(at)), 1);
    }
    return file;
}

uint8_t byte_at(const GuestMemory& memory, uint64_t at) {
    const Result<uint8_t> byte = memory.read<uint8_t>(GuestAddress{at});
    EXPECT_TRUE(byte.ok());
    return byte.value();
}

TEST(GuestRam, SmallRamIsOneRunFromZero) {
    const auto ram = GuestRam::create(128 << 20);
    ASSERT_TRUE(ram.ok());
    EXPECT_EQ(ram.value().size_bytes(), 128U << 20);
    ASSERT_EQ(ram.value().regions().size(), 1U);
    EXPECT_EQ(ram.value().regions()[0].start, GuestAddress{0});
    EXPECT_EQ(ram.value().regions()[0].host.size(), 128U << 20);
    EXPECT_EQ(byte_at(ram.value().memory(), (128 << 20) - 0x1000), 0);
    EXPECT_FALSE(ram.value().memory().contains(GuestAddress{128 << 20}, 1));
}

TEST(GuestRam, LargeRamLeavesTheMmioGapFree) {
    const auto exact = GuestRam::create(3 * kGiB);
    EXPECT_EQ(exact.value().regions().size(), 1U);
    const auto ram = GuestRam::create(5 * kGiB);
    ASSERT_EQ(ram.value().regions().size(), 2U);
    EXPECT_EQ(ram.value().regions()[0].host.size(), 3 * kGiB);
    EXPECT_EQ(ram.value().regions()[1].start, GuestAddress{4 * kGiB});
    EXPECT_EQ(ram.value().regions()[1].host.size(), 2 * kGiB);
    const GuestMemory memory = ram.value().memory();
    EXPECT_TRUE(memory.write(GuestAddress{6 * kGiB - 8}, uint64_t{1}).ok());
    for (const uint64_t at : {3 * kGiB, 3 * kGiB - 7, 4 * kGiB - 1, 6 * kGiB - 7})
        EXPECT_FALSE(memory.write(GuestAddress{at}, uint64_t{1}).ok()) << std::hex << at;
}

TEST(GuestRam, RefusesSizesThatAreNoPages) {
    for (const uint64_t size : {uint64_t{0}, uint64_t{1}, uint64_t{0x1001}, 5 * kGiB + 1})
        EXPECT_FALSE(GuestRam::create(size).ok()) << size;
}

TEST(GuestRam, HugePagesAreWholeAndThere) {
    const auto odd = GuestRam::create(3 << 20, RamPages::kHuge);
    ASSERT_FALSE(odd.ok());
    EXPECT_STREQ(odd.error().hint, "must be whole pages and not empty");
    const auto many = GuestRam::create(uint64_t{1} << 44, RamPages::kHuge);
    ASSERT_FALSE(many.ok());
    EXPECT_STREQ(many.error().hint,
                 "the host has too few free ones of 2 MiB; see sysctl vm.nr_hugepages");
}

TEST(GuestRam, RefusesMoreThanTheHostCanMap) {
    const auto ram = GuestRam::create(uint64_t{1} << 60);
    ASSERT_FALSE(ram.ok());
    EXPECT_EQ(ram.error().code, ENOMEM);
}

TEST(GuestRam, MapsAFileCopyOnWrite) {
    const UniqueFd file = file_of_numbered_pages(0x4000);
    const auto ram = GuestRam::create(1 << 20);
    const GuestMemory memory = ram.value().memory();
    ASSERT_TRUE(ram.value().map_file(GuestAddress{0x8000}, file.get(), 0x1000, 0x2000).ok());
    EXPECT_EQ(byte_at(memory, 0x7000), 0);
    EXPECT_EQ(byte_at(memory, 0x8000), 2);
    EXPECT_EQ(byte_at(memory, 0x9000), 3);
    EXPECT_EQ(byte_at(memory, 0xa000), 0);
    ASSERT_TRUE(memory.write(GuestAddress{0x8000}, uint64_t{0}).ok());
    uint8_t in_file = 0;
    ASSERT_EQ(::pread(file.get(), &in_file, 1, 0x1000), 1);
    EXPECT_EQ(in_file, 2);
}

TEST(GuestRam, RefusesToMapBeyondRamOrPages) {
    const UniqueFd file = file_of_numbered_pages(0x4000);
    const auto ram = GuestRam::create(1 << 20);
    const int fd = file.get();
    const auto code = [&](uint64_t at, uint64_t offset, uint64_t length) {
        const auto mapped = ram.value().map_file(GuestAddress{at}, fd, offset, length);
        return mapped.ok() ? 0 : mapped.error().code;
    };
    EXPECT_EQ(code(0xff000, 0, 0x1000), 0);
    EXPECT_EQ(code(0xff000, 0, 0x2000), EFAULT);
    EXPECT_EQ(code(0xfffffffffffff000, 0, 0x2000), EFAULT);
    EXPECT_EQ(code(0x8000, 0, 0), EFAULT);
    EXPECT_EQ(code(0x8001, 0, 0x1000), EINVAL);
    EXPECT_EQ(code(0x8000, 1, 0x1000), EINVAL);
    EXPECT_EQ(code(0x8000, 0, 0x1001), EINVAL);
}

}  // namespace
