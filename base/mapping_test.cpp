#include "base/mapping.hpp"

#include <sys/mman.h>

#include <gtest/gtest.h>

#include "base/unique_fd.hpp"

namespace {

TEST(Mapping, AnonymousMemoryIsZeroAndWritable) {
    const Mapping mapping = Mapping::anonymous(8192).value();
    ASSERT_EQ(mapping.bytes().size(), 8192U);
    EXPECT_EQ(mapping.bytes()[8191], std::byte{0});
    mapping.bytes()[8191] = std::byte{1};
}

TEST(Mapping, SharedMemoryReachesTheFile) {
    const UniqueFd file(::memfd_create("mapping_test", MFD_CLOEXEC));
    ASSERT_EQ(::ftruncate(file.get(), 8192), 0);
    const Mapping mapping = Mapping::shared(file.get(), 4096, 4096).value();
    mapping.bytes()[0] = std::byte{7};
    char byte = 0;
    ASSERT_EQ(::pread(file.get(), &byte, 1, 4096), 1);
    EXPECT_EQ(byte, 7);
}

// Whether the kernel aligned it or we did: huge pages need it.
TEST(Mapping, LargeMemoryIsAlignedToHugePages) {
    constexpr size_t kHugePageBytes = 2 << 20;
    const Mapping small = Mapping::anonymous(4096).value();  // puts the next ones off the boundary
    for (const size_t size : {kHugePageBytes, 3 * kHugePageBytes + 4096}) {
        const Mapping mapping = Mapping::anonymous(size).value();
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): to look at the low bits.
        EXPECT_EQ(reinterpret_cast<uintptr_t>(mapping.bytes().data()) % kHugePageBytes, 0U);
        ASSERT_EQ(mapping.bytes().size(), size);
        mapping.bytes().front() = mapping.bytes().back() = std::byte{1};
    }
}

TEST(Mapping, TooMuchIsAnError) {
    EXPECT_EQ(Mapping::anonymous(size_t{1} << 62).error().code, ENOMEM);
}

// A host that has some of them gives them natively: tests/native/huge_pages.py.
TEST(Mapping, MoreHugePagesThanThereAreIsAnError) {
    EXPECT_EQ(Mapping::huge(size_t{1} << 44).error().code, ENOMEM);
}

TEST(Mapping, UnmapsAtTheEndOfItsLife) {
    void* at = nullptr;
    {
        const Mapping mapping = Mapping::anonymous(4096).value();
        at = mapping.bytes().data();
    }
    unsigned char resident = 0;
    EXPECT_NE(::mincore(at, 4096, &resident), 0);
    EXPECT_EQ(errno, ENOMEM);
}

}  // namespace
