#include "monitor/auto_net/connections.hpp"

#include <gtest/gtest.h>

namespace {

TEST(ConnectionMark, IsOfAVmAndOfItsNumber) {
    EXPECT_EQ(mark_of(0, 2), 0x8000'0002U);
    EXPECT_EQ(mark_of(1, 2), 0x8002'0002U);
    EXPECT_EQ(mark_of(0x3fff, 0x1'ffff), 0xffff'ffffU);
    // The next VM of the same number has another, and the same of the number.
    EXPECT_NE(mark_of(5, 100), mark_of(5, 101));
    EXPECT_EQ(mark_of(5, 100) & kMarkOfNumber, mark_of(5, 101) & kMarkOfNumber);
    EXPECT_NE(mark_of(5, 100) & kMarkOfNumber, mark_of(6, 100) & kMarkOfNumber);
    // A connection that nobody has marked is no VM's.
    EXPECT_NE(mark_of(0, 1 << 17) & kMarkOfNumber, 0U);
}

}  // namespace
