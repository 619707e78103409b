#include "monitor/boot/image.hpp"

#include <sys/stat.h>

#include <array>
#include <gtest/gtest.h>

#include "monitor/boot/test_images.hpp"

namespace {

TEST(Image, ReadsAFile) {
    const TestImage bytes = TestImage(0x3001).fill(0, 0x3001);
    const TestFile file(bytes.bytes());
    const auto image = Image::open(file.path());
    ASSERT_TRUE(image.ok());
    EXPECT_EQ(image.value().size(), 0x3001U);
    EXPECT_STREQ(image.value().name(), file.path());
    EXPECT_GE(image.value().fd(), 0);
    std::array<std::byte, 3> three{};
    ASSERT_TRUE(image.value().read(0x2ffe, three).ok());
    EXPECT_TRUE(std::equal(three.begin(), three.end(), bytes.bytes().begin() + 0x2ffe));
}

TEST(Image, ReadsEmbeddedBytes) {
    const TestImage bytes = TestImage(0x100).fill(0, 0x100);
    const Image image = bytes.embedded();
    EXPECT_EQ(image.size(), 0x100U);
    EXPECT_EQ(image.fd(), -1);
    std::array<std::byte, 2> two{};
    ASSERT_TRUE(image.read(0xfe, two).ok());
    EXPECT_EQ(two[1], TestImage::pattern(0xff));
}

TEST(Image, RefusesToReadPastTheEnd) {
    const TestImage bytes(0x100);
    const TestFile file(bytes.bytes());
    const auto from_file = Image::open(file.path());
    const Image embedded = bytes.embedded();
    std::array<std::byte, 2> two{};
    for (const Image* image : {&from_file.value(), &embedded}) {
        EXPECT_TRUE(image->read(0xfe, two).ok());
        EXPECT_TRUE(image->read(0x100, {}).ok());
        for (const uint64_t offset :
             {uint64_t{0xff}, uint64_t{0x100}, uint64_t{0x101}, UINT64_MAX}) {
            const auto read = image->read(offset, two);
            ASSERT_FALSE(read.ok());
            EXPECT_EQ(read.error().code, ENODATA);
        }
    }
}

TEST(Image, SaysWhenTheFileWasCutShortMeanwhile) {
    const TestFile file(TestImage(0x100).bytes());
    const auto image = Image::open(file.path());
    file.cut(0x81);
    std::array<std::byte, 0x10> bytes{};
    EXPECT_TRUE(image.value().read(0x70, bytes).ok());
    const auto read = image.value().read(0x78, bytes);
    ASSERT_FALSE(read.ok());
    EXPECT_NE(line_of(read.error()).find("was cut short meanwhile"), std::string::npos);
}

TEST(Image, RefusesWhatIsNoFileOfBytes) {
    EXPECT_EQ(Image::open("/nonexistent/vmlinux").error().code, ENOENT);
    EXPECT_EQ(Image::open("/").error().code, EISDIR);
    EXPECT_NE(line_of(Image::open("/dev/null").error()).find("/dev/null: image: is not a regular"),
              std::string::npos);
    const TestFile empty({});
    EXPECT_NE(line_of(Image::open(empty.path()).error()).find("is empty"), std::string::npos);
    const std::string fifo = std::string(empty.path()) + ".fifo";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    EXPECT_NE(line_of(Image::open(fifo.c_str()).error()).find("is not a regular file"),
              std::string::npos);
    ::unlink(fifo.c_str());
}

}  // namespace
