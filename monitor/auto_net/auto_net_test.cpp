#include "monitor/auto_net/auto_net.hpp"

#include <gtest/gtest.h>

namespace {

TEST(AutoNet, EachNumberHasANetworkOfItsOwn) {
    EXPECT_EQ(subnet_of(kUsualRange, 0).value(), (Subnet{{0xac100000}, 30}));
    EXPECT_EQ(subnet_of(kUsualRange, 1).value(), (Subnet{{0xac100004}, 30}));
    EXPECT_EQ(subnet_of(kUsualRange, 64).value(), (Subnet{{0xac100100}, 30}));
    EXPECT_EQ(subnet_of(kUsualRange, 16383).value(), (Subnet{{0xac10fffc}, 30}));
}

TEST(AutoNet, ARangeHasAnEnd) {
    EXPECT_EQ(subnet_of(kUsualRange, 16384).error().code, ENOSPC);
    EXPECT_EQ(subnet_of(kUsualRange, UINT32_MAX).error().code, ENOSPC);
    const Subnet one{{0xc0000204}, 30};
    EXPECT_EQ(subnet_of(one, 0).value(), one);
    EXPECT_EQ(subnet_of(one, 1).error().code, ENOSPC);
    EXPECT_EQ(subnet_of({{0xc0000204}, 31}, 0).error().code, ENOSPC);
}

}  // namespace
