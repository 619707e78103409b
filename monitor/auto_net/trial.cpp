#include "monitor/auto_net/trial.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>

#include <array>
#include <cstring>

#include "base/io_control.hpp"
#include "monitor/auto_net/netlink.hpp"
#include "monitor/auto_net/vm_rules.hpp"

Result<> try_tap() {
    const UniqueFd fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
    if (!fd) return Error::from_errno("/dev/net/tun");
    ifreq request{};
    std::strcpy(request.ifr_name, "mayfly%d");
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (io_control(fd.get(), TUNSETIFF, &request) != 0) return Error::from_errno("TUNSETIFF");
    return Ok{};
}

Result<> try_rules() {
    const UniqueFd socket = TRY(open_netlink(NETLINK_NETFILTER));
    // Of RFC 5737, for documentation; published, so that every kind of rule is there.
    constexpr Ipv4Address kHost{0xc000'0201};
    constexpr Ipv4Address kGuest{0xc000'0202};
    const std::array published{PublishedPort{.host_port = 1, .guest_port = 1}};
    const Reach reach;
    Firewall firewall = firewall_of(VmNetwork{.interface = "lo",
                                              .host = kHost,
                                              .guest = kGuest,
                                              .name_server = kHost,
                                              .published = published,
                                              .reach = reach});
    return send_and_confirm(socket, firewall.finish(), Firewall::kConfirmations, "nf_tables");
}
