// The rules of one VM's network: what its guest may reach, and who may reach it. Main thread.
#pragma once

#include <optional>
#include <span>

#include "monitor/auto_net/firewall.hpp"
#include "monitor/auto_net/published_port.hpp"

struct VmNetwork {
    const char* interface = nullptr;  // the TAP; the table has its name
    Ipv4Address host{};               // on the TAP
    Ipv4Address guest{};
    std::optional<Ipv4Address> name_server{};
    std::span<const PublishedPort> published{};
};

// From the guest: new connections to wherever the host's routes lead, but not to the host itself
// (only pings of its address on the TAP, and the name server if that is one of the host's), to no
// link-local address (in a cloud, the service that gives out the host's credentials), and from its
// own address alone. No IPv6. To the guest: answers, and published ports; the host itself may talk
// to it. Other VMs may not, not even by a published port.
Firewall firewall_of(const VmNetwork& vm);
