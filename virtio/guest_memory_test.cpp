#include "virtio/guest_memory.hpp"

#include <array>
#include <gtest/gtest.h>
#include <limits>
#include <vector>

namespace {

constexpr uint64_t kLast = std::numeric_limits<uint64_t>::max();

class GuestMemoryTest : public testing::Test {
protected:
    alignas(16) std::array<std::byte, 4096> low_{};
    alignas(16) std::array<std::byte, 4096> high_{};
    const std::array<GuestMemory::Region, 2> regions_{{{{0}, low_}, {{1ULL << 32}, high_}}};
    const GuestMemory memory_{regions_};
};

TEST_F(GuestMemoryTest, ReadsBackWhatWasWritten) {
    ASSERT_TRUE(memory_.write(GuestAddress{8}, uint32_t{0x12345678}).ok());
    EXPECT_EQ(memory_.read<uint32_t>(GuestAddress{8}).value(), 0x12345678U);
    EXPECT_EQ(low_[8], std::byte{0x78});
    ASSERT_TRUE(memory_.write(GuestAddress{(1ULL << 32) + 4092}, uint32_t{1}).ok());
    EXPECT_EQ(high_[4092], std::byte{1});
}

TEST_F(GuestMemoryTest, RefusesWhatIsNotAllInOneRegion) {
    for (const uint64_t at : std::initializer_list<uint64_t>{4093, 4096, 5000, (1ULL << 32) - 1,
                                                             (1ULL << 32) + 4093, kLast, kLast - 3})
        EXPECT_EQ(memory_.read<uint32_t>(GuestAddress{at}).error().code, EFAULT) << at;
    EXPECT_TRUE(memory_.read<uint32_t>(GuestAddress{4092}).ok());
}

TEST_F(GuestMemoryTest, LengthsCannotWrapAround) {
    EXPECT_TRUE(memory_.contains(GuestAddress{0}, 4096));
    EXPECT_FALSE(memory_.contains(GuestAddress{0}, 4097));
    EXPECT_FALSE(memory_.contains(GuestAddress{1}, kLast));
    EXPECT_FALSE(memory_.contains(GuestAddress{1ULL << 32}, kLast));
    EXPECT_FALSE(memory_.contains(GuestAddress{0}, 0));
    EXPECT_EQ(memory_.io_vector(GuestAddress{4095}, 2).error().code, EFAULT);
}

TEST_F(GuestMemoryTest, IoVectorsPointIntoTheRegion) {
    const iovec vector = memory_.io_vector(GuestAddress{(1ULL << 32) + 16}, 32).value();
    EXPECT_EQ(vector.iov_base, high_.data() + 16);
    EXPECT_EQ(vector.iov_len, 32U);
}

TEST_F(GuestMemoryTest, SharedIntegersMustBeAligned) {
    EXPECT_EQ(memory_.load_acquire<uint16_t>(GuestAddress{1}).error().code, EINVAL);
    EXPECT_EQ(memory_.store_release<uint16_t>(GuestAddress{4097}, 1).error().code, EINVAL);
    EXPECT_EQ(memory_.load_acquire<uint16_t>(GuestAddress{4096}).error().code, EFAULT);
    ASSERT_TRUE(memory_.store_release<uint16_t>(GuestAddress{2}, 0xabcd).ok());
    EXPECT_EQ(memory_.load_acquire<uint16_t>(GuestAddress{2}).value(), 0xabcd);
}

TEST_F(GuestMemoryTest, BytesAreAllOrNothing) {
    const std::vector<std::byte> bytes(8, std::byte{0xee});
    EXPECT_FALSE(memory_.write_bytes(GuestAddress{4092}, bytes).ok());
    EXPECT_EQ(low_[4092], std::byte{0});
    std::vector<std::byte> back(8, std::byte{1});
    EXPECT_FALSE(memory_.read_bytes(GuestAddress{4092}, back).ok());
    EXPECT_EQ(back[0], std::byte{1});
}

}  // namespace
