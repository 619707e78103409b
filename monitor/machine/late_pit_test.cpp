#include "monitor/machine/late_pit.hpp"

#include <array>
#include <gtest/gtest.h>

namespace {

constexpr uint16_t kControl = pit_port::kControl - pit_port::kCounters;
constexpr std::array kWord{std::byte{0x34}};

class LatePitTest : public testing::Test {
protected:
    Timeline timeline_;
    BlankVm blank_{timeline_};
    EndingLatch ending_ = EndingLatch::create().value();
};

TEST_F(LatePitTest, ThatKvmHasIsNotMadeAgain) {
    LatePit pit(blank_, ending_, true);  // there is no VM for another
    EXPECT_TRUE(pit.is_made());
    pit.out(kControl, kWord, 1);
    std::array<std::byte, 2> read{std::byte{1}, std::byte{2}};
    pit.in(0, read, 1);
    EXPECT_EQ(read[0], std::byte{0});
    EXPECT_FALSE(ending_.has_ended());
}

TEST_F(LatePitTest, IsMadeByTheFirstAccess) {
    if (!blank_.open().ok()) GTEST_SKIP() << "no VM may be made here";
    ASSERT_TRUE(blank_.give_ram(uint64_t{1} << 20, RamPages::kOrdinary).ok());
    ASSERT_TRUE(blank_.finish().ok());
    LatePit pit(blank_, ending_);
    EXPECT_FALSE(pit.is_made());
    pit.out(kControl, kWord, 1);
    EXPECT_TRUE(pit.is_made());
    EXPECT_FALSE(ending_.has_ended());
    constexpr uint8_t kRateGenerator = 2;
    const auto state = blank_.vm().save(PitPresence::kMade);
    ASSERT_TRUE(state.ok());
    EXPECT_EQ(state.value().pit->channels[0].mode, kRateGenerator);
}

}  // namespace
