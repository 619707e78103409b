#include "monitor/auto_net/host_network.hpp"

#include <gtest/gtest.h>
#include <vector>

namespace {

Subnet subnet(const char* address, unsigned prefix) {
    return {parse_ipv4(address).value(), prefix};
}

TEST(Ipv4, IsFourDecimalNumbers) {
    EXPECT_EQ(parse_ipv4("10.0.255.1").value(), Ipv4Address{0x0a00ff01});
    EXPECT_EQ(parse_ipv4("0.0.0.0").value(), Ipv4Address{0});
    EXPECT_EQ(parse_ipv4("255.255.255.255").value(), Ipv4Address{0xffffffff});
    for (const std::string_view text :
         {"", "1", "1.2.3", "1.2.3.", "1.2.3.4.", "1.2.3.4.5", ".1.2.3", "1..2.3", "1.2.3.256",
          "1.2.3.-4", "1.2.3.4 ", " 1.2.3.4", "1.2.3.04", "0x1.2.3.4", "a.b.c.d", "::1",
          "localhost"})
        EXPECT_FALSE(parse_ipv4(text).ok()) << text;
    EXPECT_FALSE(parse_ipv4({"1.2.3.4\0", 8}).ok());
    EXPECT_STREQ(text_of({0x0a00ff01}).data(), "10.0.255.1");
    EXPECT_STREQ(text_of({0}).data(), "0.0.0.0");
    EXPECT_STREQ(text_of({0xffffffff}).data(), "255.255.255.255");
    EXPECT_TRUE(Ipv4Address{0x7f000001}.is_loopback());
    EXPECT_FALSE(Ipv4Address{0x80000001}.is_loopback());
}

TEST(Subnet, OverlapsWhatItHoldsAndWhatHoldsIt) {
    const Subnet net = subnet("172.16.0.4", 30);
    EXPECT_TRUE(net.overlaps(net));
    EXPECT_TRUE(net.overlaps(subnet("172.16.0.0", 12)));
    EXPECT_TRUE(subnet("172.16.0.0", 12).overlaps(net));
    EXPECT_TRUE(net.overlaps(subnet("172.16.0.7", 32)));
    EXPECT_TRUE(net.overlaps(subnet("0.0.0.0", 0)));
    EXPECT_FALSE(net.overlaps(subnet("172.16.0.0", 30)));
    EXPECT_FALSE(net.overlaps(subnet("172.16.0.8", 29)));
    EXPECT_FALSE(net.overlaps(subnet("172.32.0.0", 12)));
}

std::vector<Route> parse_routes(std::string_view text) {
    std::vector<Route> routes;
    while (const auto route = take_route(text)) routes.push_back(*route);
    return routes;
}

constexpr std::string_view kRoutes =
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    "mayfly3\t0C0010AC\t00000000\t0001\t0\t0\t0\tFCFFFFFF\t0\t0\t0";

TEST(Routes, AreReadAsTheKernelPrintsThem) {
    const std::vector<Route> routes = parse_routes(kRoutes);
    ASSERT_EQ(routes.size(), 3U);
    EXPECT_EQ(routes[0].interface, "eth0");
    EXPECT_EQ(routes[0].destination, subnet("0.0.0.0", 0));
    EXPECT_EQ(routes[1].destination, subnet("192.0.2.0", 24));
    EXPECT_EQ(routes[2].interface, "mayfly3");
    EXPECT_EQ(routes[2].destination, subnet("172.16.0.12", 30));
}

TEST(Routes, WhatIsNoneIsPassedOver) {
    for (const std::string_view text :
         {"", "\n\n", "eth0", "eth0 00000000 0 0 0 0 0", "eth0 0000000G 0 0 0 0 0 00000000",
          "eth0 0000000: 0 0 0 0 0 00000000", "eth0 00000000 0 0 0 0 0 100000000"})
        EXPECT_TRUE(parse_routes(text).empty()) << text;
}

TEST(NameServer, IsTheFirstThatAGuestCanReach) {
    EXPECT_EQ(parse_name_server("nameserver 192.0.2.53\nnameserver 192.0.2.54\n"),
              parse_ipv4("192.0.2.53").value());
    EXPECT_EQ(parse_name_server("# nameserver 192.0.2.1\nsearch a b\nnameserver 127.0.0.53\n"
                                "nameserver fe80::1%eth0\n \tnameserver\t192.0.2.9  \noptions x"),
              parse_ipv4("192.0.2.9").value());
    for (const std::string_view text :
         {"", "nameserver", "nameserver 127.0.0.1", "nameserver ::1", "nameserver 0.0.0.0",
          "nameservers 192.0.2.1", "domain 192.0.2.1"})
        EXPECT_EQ(parse_name_server(text), std::nullopt) << text;
}

}  // namespace
