#include "rootfs/init/network.hpp"

#include <arpa/inet.h>

#include <gtest/gtest.h>

namespace {

TEST(Network, IsReadFromTheCommandLine) {
    const auto found = find_network("quiet mayfly.net=172.31.0.2/30,172.31.0.1,9.9.9.9 panic=-1\n");
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->address, inet_addr("172.31.0.2"));
    EXPECT_EQ(found->netmask, inet_addr("255.255.255.252"));
    EXPECT_EQ(found->gateway, inet_addr("172.31.0.1"));
    EXPECT_EQ(found->name_server, "9.9.9.9");
}

TEST(Network, NeedsNeitherGatewayNorNameServer) {
    const auto found = find_network("mayfly.net=10.0.0.2/0");
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->netmask, 0U);
    EXPECT_EQ(found->gateway, 0U);
    EXPECT_EQ(found->name_server, "");
    EXPECT_EQ(find_network("mayfly.net=10.0.0.2/32,10.0.0.1")->netmask, 0xffffffffU);
}

TEST(Network, IsNoneWhereTheWordIsNotRight) {
    for (const char* const line :
         {"", "quiet", "xmayfly.net=10.0.0.2/8", "mayfly.net=", "mayfly.net=10.0.0.2",
          "mayfly.net=10.0.0/8", "mayfly.net=10.0.0.2/33", "mayfly.net=10.0.0.2/8x",
          "mayfly.net=10.0.0.2/8,gate", "mayfly.net=10.0.0.2/8,10.0.0.1,dns",
          "mayfly.net=10.0.0.2000000000000000000000/8"})
        EXPECT_FALSE(find_network(line).has_value()) << line;
}

}  // namespace
