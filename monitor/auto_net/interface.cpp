#include "monitor/auto_net/interface.hpp"

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cstring>

#include "base/io_control.hpp"
#include "base/unique_fd.hpp"
#include "monitor/auto_net/netlink.hpp"

namespace {

void add_address(NetlinkMessages& messages, int index, const Subnet& address) {
    messages.begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK,
                   ifaddrmsg{.ifa_family = AF_INET,
                             .ifa_prefixlen = static_cast<uint8_t>(address.prefix),
                             .ifa_index = static_cast<uint32_t>(index)});
    messages.put_be32(IFA_LOCAL, address.address.value);
    messages.put_be32(IFA_ADDRESS, address.address.value);
}

// By netlink, since /proc/sys may be read-only, as in containers.
void put_up(NetlinkMessages& messages, int index, const InterfaceSettings& settings) {
    messages.begin(RTM_NEWLINK, NLM_F_ACK,
                   ifinfomsg{.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP});
    if (settings.mtu.has_value()) messages.put_u32(IFLA_MTU, *settings.mtu);
    const NetlinkMessages::Nest families(messages, IFLA_AF_SPEC);
    const NetlinkMessages::Nest ipv4(messages, AF_INET);
    const NetlinkMessages::Nest settings_of_ipv4(messages, IFLA_INET_CONF);
    messages.put_u32(IPV4_DEVCONF_FORWARDING, 1);
    // No rules needed for these: what is not the guest's is not from there, and it is neither told
    // what other addresses the host has nor believed what other ways there are.
    messages.put_u32(IPV4_DEVCONF_RP_FILTER, 1);
    messages.put_u32(IPV4_DEVCONF_ARP_IGNORE, 1);
    messages.put_u32(IPV4_DEVCONF_ACCEPT_REDIRECTS, 0);
    messages.put_u32(IPV4_DEVCONF_ACCEPT_SOURCE_ROUTE, 0);
    if (settings.loopback == LoopbackTraffic::kRouted)
        messages.put_u32(IPV4_DEVCONF_ROUTE_LOCALNET, 1);
}

}  // namespace

Result<int> index_of_interface(const char* name) {
    ifreq request{};
    std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket || io_control(socket.get(), SIOCGIFINDEX, &request) != 0)
        return Error::from_errno("SIOCGIFINDEX");
    return request.ifr_ifindex;
}

Result<> set_up_interface(int index, const InterfaceSettings& settings) {
    NetlinkMessages messages;
    add_address(messages, index, settings.address);
    put_up(messages, index, settings);
    constexpr size_t kConfirmations = 2;
    return send_and_confirm(TRY(open_netlink(NETLINK_ROUTE)), messages, kConfirmations,
                            "rtnetlink");
}
