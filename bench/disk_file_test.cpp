#include "bench/disk_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <string>

namespace {

constexpr uint64_t kSize = (3 << 20) + 512;

TEST(DiskFile, HasDataThroughoutAndNoName) {
    auto made = DiskFile::create(kSize);
    ASSERT_TRUE(made.ok());
    struct stat status {};
    ASSERT_EQ(::fstat(made.value().fd(), &status), 0);
    EXPECT_EQ(status.st_size, static_cast<off_t>(kSize));
    EXPECT_EQ(status.st_nlink, 0U);

    std::string first(4096, '\0');
    std::string later(4096, '\0');
    ASSERT_EQ(::pread(made.value().fd(), first.data(), first.size(), 4096), 4096);
    ASSERT_EQ(::pread(made.value().fd(), later.data(), later.size(), 4096 + (2 << 20)), 4096);
    EXPECT_NE(first, std::string(4096, '\0'));
    EXPECT_NE(first, later);
}

TEST(DiskFile, CanBeOpenedByItsPath) {
    auto made = DiskFile::create(kSize);
    ASSERT_TRUE(made.ok());
    auto opened = DiskFile::open(made.value().path().c_str());
    ASSERT_TRUE(opened.ok());
    EXPECT_EQ(opened.value().size_bytes(), kSize);
    EXPECT_TRUE(opened.value().read_all().ok());
}

TEST(DiskFile, SaysWhatItCannotOpen) {
    auto missing = DiskFile::open("/no/such/file");
    ASSERT_FALSE(missing.ok());
    EXPECT_EQ(missing.error().code, ENOENT);
    EXPECT_EQ(missing.error().subject(), "/no/such/file");
}

}  // namespace
