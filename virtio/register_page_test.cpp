#include "virtio/register_page.hpp"

#include <array>
#include <gtest/gtest.h>

namespace {

using R = MmioRegister;

class RegisterPageTest : public testing::Test {
protected:
    uint32_t word(R which) const {
        uint32_t value = 0;
        page_.read(static_cast<uint64_t>(which), std::as_writable_bytes(std::span(&value, 1)));
        return value;
    }

    alignas(RegisterPage::kBytes) std::array<std::byte, RegisterPage::kBytes> bytes_{};
    RegisterPage page_{bytes_};
};

TEST_F(RegisterPageTest, ARegisterStandsAtItsOffset) {
    page_.store(R::MagicValue, 0x74726976);
    page_.store(R::ConfigGeneration, 5);
    EXPECT_EQ(std::to_integer<char>(bytes_[0]), 'v');
    EXPECT_EQ(std::to_integer<int>(bytes_[0xfc]), 5);
    EXPECT_EQ(word(R::MagicValue), 0x74726976U);
    EXPECT_EQ(word(R::QueueNotify), 0U);
}

TEST_F(RegisterPageTest, BitsComeAndGoOneByOne) {
    page_.set_bits(R::InterruptStatus, VIRTIO_MMIO_INT_VRING);
    page_.set_bits(R::InterruptStatus, VIRTIO_MMIO_INT_CONFIG);
    EXPECT_EQ(word(R::InterruptStatus), 3U);
    page_.clear_bits(R::InterruptStatus, VIRTIO_MMIO_INT_VRING);
    EXPECT_EQ(word(R::InterruptStatus), VIRTIO_MMIO_INT_CONFIG);
}

// §2.5.3: a driver that reads the generation before and after sees that something changed.
TEST_F(RegisterPageTest, AConfigurationOfAnyLengthHasANewGeneration) {
    for (const size_t length : {0U, 1U, 7U, 8U, 9U, 72U}) {
        const uint32_t before = page_.load(R::ConfigGeneration);
        std::array<std::byte, 72> config{};
        config.fill(static_cast<std::byte>(length + 1));
        page_.store_config(std::span(config).first(length));
        EXPECT_NE(page_.load(R::ConfigGeneration), before);
        for (size_t i = 0; i < length; ++i)
            EXPECT_EQ(bytes_[0x100 + i], config[i]) << length << " " << i;
        EXPECT_EQ(bytes_[0x100 + 72], std::byte{0});
    }
}

TEST_F(RegisterPageTest, WhatIsPastTheEndReadsAsZero) {
    bytes_.back() = std::byte{7};
    std::array<std::byte, 8> read{};
    read.fill(std::byte{0xee});
    page_.read(RegisterPage::kBytes - 1, read);
    EXPECT_EQ(read[0], std::byte{7});
    EXPECT_EQ(read[1], std::byte{0});
    read.fill(std::byte{0xee});
    page_.read(~uint64_t{0}, read);
    EXPECT_EQ(read[0], std::byte{0});
}

}  // namespace
