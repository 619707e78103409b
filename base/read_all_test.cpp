#include "base/read_all.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/unique_fd.hpp"

namespace {

TEST(ReadAll, TakesUpToAMebibyte) {
    constexpr off_t kMost = 1 << 20;
    const UniqueFd file(::memfd_create("file", MFD_CLOEXEC));
    for (const off_t size : {off_t{0}, off_t{5000}, kMost}) {
        ASSERT_EQ(::ftruncate(file.get(), size), 0);
        ASSERT_EQ(::lseek(file.get(), 0, SEEK_SET), 0);
        const auto text = read_all(file.get());
        ASSERT_TRUE(text.ok());
        EXPECT_EQ(text.value().size(), static_cast<size_t>(size));
    }
    ASSERT_EQ(::ftruncate(file.get(), kMost + 1), 0);
    ASSERT_EQ(::lseek(file.get(), 0, SEEK_SET), 0);
    EXPECT_EQ(read_all(file.get()).error().code, EFBIG);
    EXPECT_EQ(read_all(-1).error().code, EBADF);
}

}  // namespace
