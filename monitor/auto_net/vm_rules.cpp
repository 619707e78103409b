#include "monitor/auto_net/vm_rules.hpp"

#include <linux/if_ether.h>
#include <linux/netfilter_ipv4.h>
#include <linux/rtnetlink.h>

namespace {

constexpr Subnet kLoopback{{0x7f00'0000}, 8};  // RFC 1122
constexpr uint16_t kDomainPort = 53;

// Where clouds give out the host's credentials and configuration, to whoever sends from its
// address.
constexpr std::array kNeverUnasked{
    Subnet{{0xa9fe'0000}, 16},  // link-local (RFC 3927): most clouds, at 169.254.169.254
    Subnet{{0xa83f'8110}, 32},  // 168.63.129.16: Azure
    Subnet{{0x6464'64c8}, 32},  // 100.100.100.200: Alibaba
    Subnet{{0xc000'00c0}, 32},  // 192.0.0.192: Oracle
};

// One ARP request in half a minute is what a guest needs.
constexpr uint32_t kArpPerSecond = 32;

constexpr const char* kConnect = "connect";  // of the guest's, to where it may
constexpr const char* kPeers = "peers";      // to whom it lately did
constexpr const char* kMarked = "marked";    // everything to the guest

Subnet just(Ipv4Address address) {
    return {address, 32};
}

// What is not new has the mark; what is and may become a connection is for the next rule.
void add_connections(Firewall& firewall, const char* chain, const VmNetwork& vm) {
    firewall.rule(chain).state(kEstablished | kRelated).mark(vm.mark).accept();
    // Not from the middle of somebody else's stream, which conntrack would take for a new one.
    firewall.rule(chain).state(kNew).no_opening().drop();
    firewall.rule(chain).state(kNew).more_connections_than(vm.reach.connections).drop();
}

void add_from_guest(Firewall& firewall, const VmNetwork& vm) {
    firewall.addresses(kPeers, vm.reach.peers, Reach::kPeerMs);
    firewall.chain(kConnect);
    add_connections(firewall, kConnect, vm);
    firewall.rule(kConnect)
        .state(kNew)
        .ipv4()
        .remember_destination(kPeers)
        .set_mark(vm.mark)
        .accept();
    firewall.rule(kConnect).drop();

    constexpr const char* kChain = "from_guest";
    // After connections are known, and before what is published is redirected: the destination is
    // as the guest wrote it.
    firewall.chain(kChain, Firewall::ChainType::kFilter, NF_INET_PRE_ROUTING, NF_IP_PRI_MANGLE);
    firewall.rule(kChain).comes_by(vm.interface, Match::kIsNot).accept();
    firewall.rule(kChain).ipv4(Match::kIsNot).drop();
    firewall.rule(kChain).ipv4().source(just(vm.guest), Match::kIsNot).drop();
    // To whoever was let in to it, and no error about it: those have to be for where it may go.
    firewall.rule(kChain).answer().state(kEstablished).mark(vm.mark).accept();
    firewall.rule(kChain).ipv4().destination(just(vm.host)).echo_request().go_to(kConnect);
    if (vm.name_server.has_value())
        for (const PortProtocol protocol : {PortProtocol::kUdp, PortProtocol::kTcp})
            firewall.rule(kChain)
                .ipv4()
                .destination(just(*vm.name_server))
                .port(protocol, kDomainPort)
                .go_to(kConnect);
    // Local, broadcast, multicast.
    firewall.rule(kChain).destination_type(RTN_UNICAST, Match::kIsNot).drop();
    for (const Subnet& network : vm.reach.allowed)
        firewall.rule(kChain).ipv4().destination(network).go_to(kConnect);
    for (const Subnet& network : kNeverUnasked)
        firewall.rule(kChain).ipv4().destination(network).drop();
    for (const Subnet& network : vm.reach.denied)
        firewall.rule(kChain).ipv4().destination(network).drop();
    firewall.rule(kChain).go_to(kConnect);
}

void add_to_guest(Firewall& firewall, const VmNetwork& vm) {
    constexpr const char* kChain = "to_guest";
    firewall.chain(kChain, Firewall::ChainType::kFilter, NF_INET_FORWARD, NF_IP_PRI_FILTER);
    firewall.rule(kChain).leaves_by(vm.interface, Match::kIsNot).accept();
    firewall.rule(kChain).state(kNew).redirected(Match::kIsNot).drop();

    // The host's own as well, and where it goes by a published port: it leaves by the TAP since it
    // was redirected.
    firewall.chain(kMarked, Firewall::ChainType::kFilter, NF_INET_POST_ROUTING, NF_IP_PRI_MANGLE);
    firewall.rule(kMarked).leaves_by(vm.interface, Match::kIsNot).accept();
    add_connections(firewall, kMarked, vm);
    firewall.rule(kMarked).state(kNew).set_mark(vm.mark).accept();
    // The host says that there is no way to where the guest's packet should have gone, which is of
    // no connection then.
    firewall.rule(kMarked)
        .state(kInvalid)
        .ipv4()
        .source(just(vm.host))
        .protocol(IPPROTO_ICMP)
        .accept();
    firewall.rule(kMarked).drop();
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

// What comes in by the TAP, before the host does anything by it: rules of family inet see no ARP,
// and the host's table of neighbours is one for all of its interfaces and namespaces.
void add_frames(Firewall& firewall, const GuardedTap& tap, std::optional<Ipv4Address> neighbour) {
    constexpr const char* kChain = "frames";
    firewall.table(NFPROTO_NETDEV);
    firewall.ingress_chain(kChain, tap.interface);
    for (const Ipv4Address address : tap.addresses) {
        Firewall::Rule arp = firewall.rule(kChain);
        arp.arp().arp_sender(address);
        if (tap.mac.has_value()) arp.frame_source(*tap.mac).arp_sender(*tap.mac);
        if (neighbour.has_value()) arp.arp_target(*neighbour);
        arp.at_most(kArpPerSecond).accept();
    }
    for (const Ipv4Address address : tap.addresses) {
        Firewall::Rule ipv4 = firewall.rule(kChain);
        ipv4.frame_type(ETH_P_IP);
        if (tap.mac.has_value()) ipv4.frame_source(*tap.mac);
        ipv4.source(just(address)).accept();
    }
}

}  // namespace

Firewall firewall_of(const VmNetwork& vm) {
    Firewall firewall(vm.interface);
    add_frames(firewall, {.interface = vm.interface, .addresses = std::span(&vm.guest, 1)},
               vm.host);
    firewall.table(NFPROTO_INET);
    add_from_guest(firewall, vm);
    add_to_guest(firewall, vm);
    if (!vm.published.empty()) add_published(firewall, vm);
    add_masquerade(firewall, vm);
    return firewall;
}

Firewall firewall_of(const GuardedTap& tap) {
    Firewall firewall(tap.interface);
    add_frames(firewall, tap, std::nullopt);
    return firewall;
}
