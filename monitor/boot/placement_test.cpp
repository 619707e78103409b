#include "monitor/boot/placement.hpp"

#include <fstream>
#include <gtest/gtest.h>

#include "monitor/boot/test_images.hpp"

namespace {

GuestRam ram_of(uint64_t size_bytes) {
    return std::move(GuestRam::create(size_bytes)).value();
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

struct Case {
    const char* name;
    uint64_t offset;
    uint64_t at;
    uint64_t length;
    uint64_t mapped;
};

class PlacementAlignment : public testing::TestWithParam<Case> {};

TEST_P(PlacementAlignment, PutsTheBytesAndMapsWholePages) {
    const Case& c = GetParam();
    const TestImage bytes = TestImage(0x6000).fill(0, 0x6000);
    const TestFile file(bytes.bytes());
    const auto image = Image::open(file.path());
    ASSERT_TRUE(image.ok());
    const GuestRam ram = ram_of(1 << 20);
    ASSERT_TRUE(
        place(image.value(), c.offset, ram, GuestAddress{c.at}, c.length, Placement::kMapped).ok());
    EXPECT_EQ(mapped_bytes(file.path()), c.mapped);
    EXPECT_TRUE(holds_pattern(ram.memory(), c.at, c.offset, c.length));
    EXPECT_TRUE(is_zero(ram.memory(), c.at - 0x1000, 0x1000));
    EXPECT_TRUE(is_zero(ram.memory(), c.at + c.length, 0x1000));
}

INSTANTIATE_TEST_SUITE_P(Alignments, PlacementAlignment,
                         testing::Values(Case{"WholePages", 0x1000, 0x4000, 0x3000, 0x3000},
                                         Case{"WithATail", 0x1000, 0x4000, 0x3010, 0x3000},
                                         Case{"WithAHead", 0x1ff0, 0x4ff0, 0x3010, 0x3000},
                                         Case{"HeadAndTail", 0x1010, 0x4010, 0x3000, 0x2000},
                                         Case{"InsideOnePage", 0x1010, 0x4010, 0x20, 0},
                                         Case{"LessThanAPage", 0x1000, 0x4000, 0xfff, 0},
                                         Case{"Shifted", 0x1001, 0x4000, 0x3000, 0},
                                         Case{"ToTheLastByte", 0, 0x4000, 0x6000, 0x6000}),
                         [](const auto& param) { return param.param.name; });

TEST(PlacementTest, CopiesWhatTheGuestReadsOnce) {
    const TestImage bytes = TestImage(0x2000).fill(0, 0x2000);
    const TestFile file(bytes.bytes());
    const auto image = Image::open(file.path());
    const GuestRam ram = ram_of(1 << 20);
    ASSERT_TRUE(
        place(image.value(), 0, ram, GuestAddress{0x4000}, 0x2000, Placement::kCopied).ok());
    EXPECT_EQ(mapped_bytes(file.path()), 0U);
    EXPECT_TRUE(holds_pattern(ram.memory(), 0x4000, 0, 0x2000));
}

TEST(PlacementTest, TheGuestsWritesStayOutOfTheFile) {
    const TestImage bytes = TestImage(0x2000).fill(0, 0x2000);
    const TestFile file(bytes.bytes());
    const auto image = Image::open(file.path());
    const GuestRam ram = ram_of(1 << 20);
    ASSERT_TRUE(
        place(image.value(), 0, ram, GuestAddress{0x4000}, 0x2000, Placement::kMapped).ok());
    ASSERT_TRUE(ram.memory().write(GuestAddress{0x4800}, uint64_t{0}).ok());
    EXPECT_TRUE(is_zero(ram.memory(), 0x4800, 8));
    const auto content = file.content(0x2000);
    EXPECT_TRUE(std::equal(content.begin(), content.end(), bytes.bytes().begin()));
}

TEST(PlacementTest, AFileCutShortAfterItWasOpenedIsAnError) {
    for (const uint64_t offset : {uint64_t{0}, uint64_t{1}}) {  // mapped and copied
        const TestFile file(TestImage(0x4000).bytes());
        const auto image = Image::open(file.path());
        const GuestRam ram = ram_of(1 << 20);
        file.cut(0x2000);
        const auto placed =
            place(image.value(), offset, ram, GuestAddress{0x4000}, 0x3000, Placement::kMapped);
        ASSERT_FALSE(placed.ok());
        EXPECT_EQ(placed.error().code, ENODATA);
        EXPECT_NE(line_of(placed.error()).find(file.path()), std::string::npos);
    }
}

TEST(PlacementTest, RefusesWhatIsNotRam) {
    const TestImage bytes(0x3000);
    const TestFile file(bytes.bytes());
    const auto from_file = Image::open(file.path());
    const Image embedded = bytes.embedded();
    const GuestRam ram = ram_of(1 << 20);
    for (const Image* image : {&from_file.value(), &embedded}) {
        const auto placed =
            place(*image, 0, ram, GuestAddress{0xfe000}, 0x3000, Placement::kMapped);
        ASSERT_FALSE(placed.ok());
        EXPECT_EQ(placed.error().code, EFAULT);
    }
    EXPECT_TRUE(is_zero(ram.memory(), 0xfe000, 0x2000));
}

}  // namespace
