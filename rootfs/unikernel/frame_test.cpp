#include "rootfs/unikernel/frame.hpp"

#include <gtest/gtest.h>
#include <vector>

namespace {

constexpr MacAddress kMac{{0x52, 0x54, 0, 1, 2, 3}};

std::vector<uint8_t> frame_of(size_t bytes, uint64_t number) {
    std::vector<uint8_t> frame(bytes, 0xcc);
    write_frame({frame.data(), frame.size()}, kMac);
    number_frame({frame.data(), frame.size()}, number);
    return frame;
}

TEST(Frame, IsABroadcastWithANumber) {
    EXPECT_EQ(frame_of(24, 0x0123456789abcdef),
              (std::vector<uint8_t>{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54,
                                    0x00, 0x01, 0x02, 0x03, 0x88, 0xb5, 0xef, 0xcd,
                                    0xab, 0x89, 0x67, 0x45, 0x23, 0x01, 0x00, 0x00}));
}

TEST(Frame, CutsTheNumberThatDoesNotFit) {
    EXPECT_EQ(frame_of(kLeastFrameBytes, UINT64_MAX).back(), 0xb5);
    EXPECT_EQ(frame_of(kLeastFrameBytes + 1, 0x1234).back(), 0x34);
}

TEST(Frame, IsKnownByItsType) {
    std::vector<uint8_t> frame = frame_of(60, 7);
    EXPECT_TRUE(is_our_frame({frame.data(), frame.size()}));
    EXPECT_FALSE(is_our_frame({frame.data(), kLeastFrameBytes - 1}));
    EXPECT_FALSE(is_our_frame({}));
    frame[13] = 0xb6;
    EXPECT_FALSE(is_our_frame({frame.data(), frame.size()}));
}

}  // namespace
