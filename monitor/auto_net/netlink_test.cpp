#include "monitor/auto_net/netlink.hpp"

#include <linux/rtnetlink.h>
#include <net/if.h>

#include <array>
#include <cstring>
#include <gtest/gtest.h>

namespace {

std::vector<unsigned> numbers(const NetlinkMessages& messages) {
    std::vector<unsigned> bytes;
    for (const std::byte byte : messages.bytes()) bytes.push_back(std::to_integer<unsigned>(byte));
    return bytes;
}

TEST(NetlinkMessages, AreAsTheKernelReadsThem) {
    NetlinkMessages messages;
    messages.begin(0x0102, NLM_F_CREATE, std::array<uint8_t, 4>{9, 8, 7, 6});
    messages.put_text(3, "ab");
    {
        const NetlinkMessages::Nest outer(messages, 4);
        const NetlinkMessages::Nest inner(messages, 5);
        messages.put_be32(6, 0x01020304);
    }
    messages.put_u32(7, 0x01020304);
    const std::vector<unsigned> wanted = {
        52, 0, 0, 0,    2,   1,   1, 4,
        1,  0, 0, 0,    0,   0,   0, 0,     // nlmsghdr: REQUEST and CREATE, number 1
        9,  8, 7, 6,                        // the family's
        7,  0, 3, 0,    'a', 'b', 0, 0,     // seven bytes, and one to align
        16, 0, 4, 0x80, 12,  0,   5, 0x80,  // NLA_F_NESTED
        8,  0, 6, 0,    1,   2,   3, 4,     //
        8,  0, 7, 0,    4,   3,   2, 1};
    EXPECT_EQ(numbers(messages), wanted);
}

TEST(NetlinkMessages, OneEndsWhereTheNextBegins) {
    NetlinkMessages messages;
    messages.begin(1, 0, uint32_t{0});
    messages.put_u32(1, 0);
    messages.begin(2, 0, uint32_t{0});
    messages.ask_to_confirm();
    const std::vector<unsigned> bytes = numbers(messages);
    ASSERT_EQ(bytes.size(), 28U + 20U);
    EXPECT_EQ(bytes[0], 28U);
    EXPECT_EQ(bytes[6], unsigned{NLM_F_REQUEST});
    EXPECT_EQ(bytes[28], 20U);
    EXPECT_EQ(bytes[34], unsigned{NLM_F_REQUEST | NLM_F_ACK});
    EXPECT_EQ(bytes[36], 2U);  // the second has the next number
}

// Asks the kernel itself, which answers anybody.
TEST(Netlink, TheKernelsErrorIsTheResult) {
    const UniqueFd socket = open_netlink(NETLINK_ROUTE).value();
    NetlinkMessages messages;
    messages.begin(RTM_NEWLINK, NLM_F_ACK, ifinfomsg{.ifi_index = 0x7fffffff});
    const Result<> sent = send_and_confirm(socket, messages, 1, "RTM_NEWLINK");
    ASSERT_FALSE(sent.ok());
    EXPECT_TRUE(sent.error().code == ENODEV || sent.error().code == EPERM) << sent.error().code;
    EXPECT_STREQ(sent.error().what, "RTM_NEWLINK");
}

TEST(Netlink, WaitsForAsManyConfirmationsAsWereAskedFor) {
    const UniqueFd socket = open_netlink(NETLINK_ROUTE).value();
    NetlinkMessages messages;
    for (int i = 0; i < 2; ++i) messages.begin(NLMSG_NOOP, NLM_F_ACK, uint32_t{0});
    EXPECT_TRUE(send_and_confirm(socket, messages, 2, "NLMSG_NOOP").ok());
}

}  // namespace
