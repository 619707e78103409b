#include "monitor/auto_net/vm_rules.hpp"

#include <linux/netfilter_ipv4.h>
#include <linux/rtnetlink.h>

namespace {

constexpr Subnet kLinkLocal{{0xa9fe'0000}, 16};  // RFC 3927
constexpr Subnet kLoopback{{0x7f00'0000}, 8};    // RFC 1122
constexpr uint16_t kDomainPort = 53;

Subnet just(Ipv4Address address) {
    return {address, 32};
}

void add_from_guest(Firewall& firewall, const VmNetwork& vm) {
    constexpr const char* kChain = "from_guest";
    // After connections are known, and before what is published is redirected: the destination is
    // as the guest wrote it.
    firewall.chain(kChain, Firewall::ChainType::kFilter, NF_INET_PRE_ROUTING, NF_IP_PRI_MANGLE);
    firewall.rule(kChain).comes_by(vm.interface, Match::kIsNot).accept();
    firewall.rule(kChain).ipv4(Match::kIsNot).drop();
    firewall.rule(kChain).ipv4().source(just(vm.guest), Match::kIsNot).drop();
    firewall.rule(kChain).known_connection().accept();
    firewall.rule(kChain).ipv4().destination(just(vm.host)).echo_request().accept();
    if (vm.name_server.has_value())
        for (const PortProtocol protocol : {PortProtocol::kUdp, PortProtocol::kTcp})
            firewall.rule(kChain)
                .ipv4()
                .destination(just(*vm.name_server))
                .port(protocol, kDomainPort)
                .accept();
    firewall.rule(kChain).ipv4().destination(kLinkLocal).drop();
    // Local, broadcast, multicast.
    firewall.rule(kChain).destination_type(RTN_UNICAST, Match::kIsNot).drop();
}

void add_to_guest(Firewall& firewall, const VmNetwork& vm) {
    constexpr const char* kChain = "to_guest";
    firewall.chain(kChain, Firewall::ChainType::kFilter, NF_INET_FORWARD, NF_IP_PRI_FILTER);
    firewall.rule(kChain).leaves_by(vm.interface, Match::kIsNot).accept();
    firewall.rule(kChain).known_connection().accept();
    firewall.rule(kChain).redirected().accept();
    firewall.rule(kChain).drop();
}

// For what is sent to `port` of the host and passes through `chain`.
void add_redirect(Firewall& firewall, const char* chain, const PublishedPort& port,
                  Ipv4Address guest) {
    Firewall::Rule rule = firewall.rule(chain);
    rule.ipv4();
    if (port.address == Ipv4Address{})
        rule.destination_type(RTN_LOCAL);
    else
        rule.destination(just(port.address));
    rule.port(port.protocol, port.host_port).redirect(guest, port.guest_port);
}

void add_published(Firewall& firewall, const VmNetwork& vm) {
    constexpr const char* kFromOutside = "published";
    constexpr const char* kFromHost = "published_to_host";
    firewall.chain(kFromOutside, Firewall::ChainType::kNat, NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST);
    for (const PublishedPort& port : vm.published)
        // A neighbour could send to a loopback address of ours, and be redirected before routing
        // drops that.
        if (!port.address.is_loopback()) add_redirect(firewall, kFromOutside, port, vm.guest);
    firewall.chain(kFromHost, Firewall::ChainType::kNat, NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST);
    for (const PublishedPort& port : vm.published)
        add_redirect(firewall, kFromHost, port, vm.guest);
}

void add_masquerade(Firewall& firewall, const VmNetwork& vm) {
    constexpr const char* kChain = "masquerade";
    firewall.chain(kChain, Firewall::ChainType::kNat, NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC);
    firewall.rule(kChain)
        .ipv4()
        .source(just(vm.guest))
        .leaves_by(vm.interface, Match::kIsNot)
        .masquerade();
    // The host's own, by a published port: to the guest, a loopback address is itself.
    firewall.rule(kChain).ipv4().source(kLoopback).leaves_by(vm.interface).masquerade();
}

}  // namespace

Firewall firewall_of(const VmNetwork& vm) {
    Firewall firewall(vm.interface);
    add_from_guest(firewall, vm);
    add_to_guest(firewall, vm);
    if (!vm.published.empty()) add_published(firewall, vm);
    add_masquerade(firewall, vm);
    return firewall;
}
