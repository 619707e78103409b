// Rules of nftables, spoken to the kernel directly (linux/netfilter/nf_tables.h): a table, its
// chains, and rules made of the few expressions that a VM's network needs. In comments stands what
// nft(8) would print.
//
// Not by nft or its library, for one reason: a table can belong to a netlink socket
// (NFT_TABLE_F_OWNER, Linux 5.12), and then the kernel removes it with the socket, however the
// process ends. The socket must be ours for that. Main thread.
#pragma once

// The C library's first: the kernel's leave out what is in it, and not the other way round.
// clang-format off
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
// clang-format on

#include <span>
#include <string_view>

#include "monitor/auto_net/netlink.hpp"
#include "monitor/auto_net/published_port.hpp"

enum class Match { kIs, kIsNot };

// Bits of ct state, which is none of them for what conntrack does not make sense of.
enum ConnectionState : uint32_t {
    kEstablished = NF_CT_STATE_BIT(IP_CT_ESTABLISHED),
    kRelated = NF_CT_STATE_BIT(IP_CT_RELATED),
    kNew = NF_CT_STATE_BIT(IP_CT_NEW),
    kInvalid = NF_CT_STATE_INVALID_BIT,
};

class Firewall {
public:
    // A batch of messages that makes tables called `name`, which outlives this. The kernel does all
    // or nothing of it.
    explicit Firewall(const char* name);

    // One of the family: NFPROTO_INET, NFPROTO_NETDEV. What follows is in it, up to the next.
    void table(uint8_t family);

    enum class ChainType { kFilter, kNat };
    void chain(const char* name, ChainType type, nf_inet_hooks hook, int priority);
    // Of NFPROTO_NETDEV: what comes in by `device` goes through it before anything else looks at
    // it, and is dropped where no rule says otherwise.
    void ingress_chain(const char* name, const char* device);
    // One that rules go to.
    void chain(const char* name);
    // IPv4 addresses, at most so many at once, each for so long after it was remembered last.
    void addresses(const char* name, uint32_t most, uint32_t lifetime_ms);

    // A rule at the end of the chain `name`, for as long as the object lives: what it asks for and,
    // last, what happens then. The matches on IPv4 fields are for rules after ipv4().
    class [[nodiscard]] Rule {
    public:
        Rule(Firewall& firewall, const char* chain);

        Rule& comes_by(std::string_view name, Match match = Match::kIs);    // iifname
        Rule& leaves_by(std::string_view name, Match match = Match::kIs);   // oifname
        Rule& ipv4(Match match = Match::kIs);                               // meta nfproto
        Rule& source(const Subnet& subnet, Match match = Match::kIs);       // ip saddr
        Rule& destination(const Subnet& subnet, Match match = Match::kIs);  // ip daddr
        Rule& destination_type(uint32_t type, Match match = Match::kIs);    // fib daddr type
        Rule& port(PortProtocol protocol, uint16_t port);                   // tcp dport
        Rule& protocol(uint8_t protocol);                                   // meta l4proto
        Rule& echo_request();                                               // icmp type
        Rule& no_opening();                       // tcp flags & (fin|syn|rst|ack) != syn
        Rule& state(uint32_t any_of_these);       // ct state
        Rule& answer();                           // ct direction reply
        Rule& mark(uint32_t value);               // ct mark
        Rule& redirected(Match match);            // ct status dnat
        Rule& more_connections_than(uint32_t n);  // ct count over

        // In an ingress chain, where nothing has been checked yet.
        Rule& frame_type(uint16_t type);                      // ether type
        Rule& frame_source(std::span<const uint8_t, 6> mac);  // ether saddr
        // Of IPv4 over Ethernet. That of the sender and the one that is asked for:
        Rule& arp();
        Rule& arp_sender(Ipv4Address address);              // arp saddr ip
        Rule& arp_sender(std::span<const uint8_t, 6> mac);  // arp saddr ether
        Rule& arp_target(Ipv4Address address);              // arp daddr ip
        Rule& at_most(uint32_t per_second);                 // limit rate; as many more in a burst

        // The destination, or the rule ends here where there is no room for one more.
        Rule& remember_destination(const char* addresses);  // update @addresses { ip daddr }
        Rule& set_mark(uint32_t value);                     // ct mark set

        void accept() { verdict(NF_ACCEPT); }
        void drop() { verdict(NF_DROP); }
        void go_to(const char* chain) { verdict(static_cast<uint32_t>(NFT_GOTO), chain); }
        void masquerade();
        void redirect(Ipv4Address address, uint16_t port);  // dnat ip to

    private:
        void verdict(uint32_t code, const char* chain = nullptr);
        void load_meta(nft_meta_keys key);
        void load_payload(nft_payload_bases base, uint32_t offset, uint32_t bytes);
        void load_destination_type();
        void load_connection(nft_ct_keys key);
        void compare(std::span<const std::byte> value, Match match);
        // What is loaded, four bytes at most, keeps only these bits.
        void mask(std::span<const std::byte> kept);
        void is_field(nft_payload_bases base, uint32_t offset, std::span<const std::byte> value,
                      Match match = Match::kIs);
        void any_of(nft_ct_keys key, uint32_t bits, Match match);
        void interface(nft_meta_keys key, std::string_view name, Match match);
        void address(uint32_t offset, const Subnet& subnet, Match match);

        NetlinkMessages& messages_;
        NetlinkMessages::Nest expressions_;
    };
    Rule rule(const char* chain) { return {*this, chain}; }

    // The whole batch. Nothing may be added afterwards.
    const NetlinkMessages& finish();
    // As many of its messages ask to be confirmed.
    static constexpr size_t kConfirmations = 1;

private:
    void begin(uint16_t type, uint16_t flags);
    void begin_chain(const char* name);
    NetlinkMessages& begin_rule(const char* chain);

    const char* name_;
    uint8_t family_ = NFPROTO_UNSPEC;
    NetlinkMessages messages_;
};
