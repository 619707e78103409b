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
#include <linux/netfilter/nf_tables.h>
// clang-format on

#include <span>
#include <string_view>

#include "monitor/auto_net/netlink.hpp"
#include "monitor/auto_net/published_port.hpp"

enum class Match { kIs, kIsNot };

class Firewall {
public:
    // A batch of messages that makes the table `name`, which outlives this, of family inet. The
    // kernel does all or nothing of it.
    explicit Firewall(const char* name);

    enum class ChainType { kFilter, kNat };
    void chain(const char* name, ChainType type, nf_inet_hooks hook, int priority);

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
        Rule& echo_request();                                               // icmp type
        Rule& known_connection();  // ct state established,related
        Rule& redirected();        // ct status dnat

        void accept() { verdict(NF_ACCEPT); }
        void drop() { verdict(NF_DROP); }
        void masquerade();
        void redirect(Ipv4Address address, uint16_t port);  // dnat ip to

    private:
        void verdict(uint32_t code);
        void load_meta(nft_meta_keys key);
        void load_payload(nft_payload_bases base, uint32_t offset, uint32_t bytes);
        void load_destination_type();
        void load_connection(nft_ct_keys key);
        void compare(std::span<const std::byte> value, Match match);
        // What is loaded, four bytes, keeps only these bits.
        void mask(uint32_t mask_in_memory);
        void any_of(nft_ct_keys key, uint32_t bits);
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
    NetlinkMessages& begin_rule(const char* chain);

    const char* name_;
    NetlinkMessages messages_;
};
