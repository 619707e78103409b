// The rules of one VM's network: what its guest may reach, and who may reach it. Main thread.
#pragma once

#include <array>
#include <optional>
#include <span>

#include "monitor/auto_net/firewall.hpp"
#include "monitor/auto_net/published_port.hpp"
#include "monitor/auto_net/reach.hpp"

struct VmNetwork {
    const char* interface = nullptr;  // the TAP; the tables have its name
    Ipv4Address host{};               // on the TAP
    Ipv4Address guest{};
    std::optional<Ipv4Address> name_server{};
    std::span<const PublishedPort> published{};
    const Reach& reach;
    uint32_t mark = 0;  // of its connections, and of no other VM's (connections.hpp)
};

// From the guest: new connections to wherever the host's routes lead, but not to the host itself
// (only pings of its address on the TAP, and the name server if that is one of the host's), not to
// the addresses at which clouds give out the host's credentials, as its Reach says, and from its
// own address alone. No IPv6; ARP that tells its own address and asks for the host's on the TAP. To
// the guest: answers, and published ports; the host itself may talk to it. Other VMs may not, not
// even by a published port.
//
// A connection has the VM's mark since it was new. What belongs to one that has another (of the VM
// that had the address before; an ICMP error that quotes somebody else's) passes neither way.
Firewall firewall_of(const VmNetwork& vm);

// A guest on a TAP of the user's: who it may say it is.
struct GuardedTap {
    const char* interface = nullptr;
    std::span<const Ipv4Address> addresses{};     // one at least
    std::optional<std::array<uint8_t, 6>> mac{};  // none: any
};

// From the guest: IPv4 and ARP from its addresses (and by its MAC), ARP within a limit, and nothing
// else; where that goes is not looked at.
Firewall firewall_of(const GuardedTap& tap);
