#include "monitor/auto_net/firewall.hpp"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>

#include <array>
#include <cstddef>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>

namespace {

// Of `enum nft_registers`: one of 16 bytes, in which what is compared lies, and the next.
constexpr uint32_t kRegister = NFT_REG_1;
constexpr uint32_t kSecondRegister = NFT_REG_2;

// In the batch. There is one.
constexpr uint32_t kSetId = 1;

nfgenmsg family(uint8_t of, uint16_t resource = 0) {
    return {.nfgen_family = of, .version = NFNETLINK_V0, .res_id = htons(resource)};
}

template <typename T>
std::span<const std::byte> bytes_of(const T& value) {
    return std::as_bytes(std::span(&value, 1));
}

// An expression: attributes that are put while it lives are its own.
class Expression {
public:
    Expression(NetlinkMessages& messages, const char* name)
        : element_(messages, NFTA_LIST_ELEM), data_(named(messages, name), NFTA_EXPR_DATA) {}

private:
    static NetlinkMessages& named(NetlinkMessages& messages, const char* name) {
        messages.put_text(NFTA_EXPR_NAME, name);
        return messages;
    }

    NetlinkMessages::Nest element_;
    NetlinkMessages::Nest data_;
};

void put_value(NetlinkMessages& messages, uint16_t type, std::span<const std::byte> value) {
    const NetlinkMessages::Nest data(messages, type);
    messages.put(NFTA_DATA_VALUE, value);
}

void load_constant(NetlinkMessages& messages, uint32_t to, std::span<const std::byte> value) {
    const Expression immediate(messages, "immediate");
    messages.put_be32(NFTA_IMMEDIATE_DREG, to);
    put_value(messages, NFTA_IMMEDIATE_DATA, value);
}

}  // namespace

Firewall::Firewall(const char* name) : name_(name) {
    messages_.begin(NFNL_MSG_BATCH_BEGIN, 0, family(AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
}

void Firewall::table(uint8_t family) {
    family_ = family;
    // A table of this name that is there already is somebody else's: EXCL.
    begin(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
    messages_.put_text(NFTA_TABLE_NAME, name_);
    messages_.put_be32(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
}

void Firewall::begin(uint16_t type, uint16_t flags) {
    messages_.begin(static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type), flags,
                    family(family_));
}

void Firewall::begin_chain(const char* name) {
    begin(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    messages_.put_text(NFTA_CHAIN_TABLE, name_);
    messages_.put_text(NFTA_CHAIN_NAME, name);
}

void Firewall::chain(const char* name) {
    begin_chain(name);
}

void Firewall::addresses(const char* name, uint32_t most, uint32_t lifetime_ms) {
    constexpr uint32_t kIpv4Address = 7;  // of nft(8)'s own types, to whom alone it says something
    begin(NFT_MSG_NEWSET, NLM_F_CREATE);
    messages_.put_text(NFTA_SET_TABLE, name_);
    messages_.put_text(NFTA_SET_NAME, name);
    messages_.put_be32(NFTA_SET_ID, kSetId);
    messages_.put_be32(NFTA_SET_FLAGS, NFT_SET_TIMEOUT | NFT_SET_EVAL);
    messages_.put_be32(NFTA_SET_KEY_TYPE, kIpv4Address);
    messages_.put_be32(NFTA_SET_KEY_LEN, sizeof(uint32_t));
    messages_.put_be64(NFTA_SET_TIMEOUT, lifetime_ms);
    const NetlinkMessages::Nest nest(messages_, NFTA_SET_DESC);
    messages_.put_be32(NFTA_SET_DESC_SIZE, most);
}

void Firewall::ingress_chain(const char* name, const char* device) {
    begin_chain(name);
    messages_.put_be32(NFTA_CHAIN_POLICY, NF_DROP);
    messages_.put_text(NFTA_CHAIN_TYPE, "filter");
    const NetlinkMessages::Nest nest(messages_, NFTA_CHAIN_HOOK);
    messages_.put_be32(NFTA_HOOK_HOOKNUM, NF_NETDEV_INGRESS);
    messages_.put_be32(NFTA_HOOK_PRIORITY, 0);
    messages_.put_text(NFTA_HOOK_DEV, device);
}

void Firewall::chain(const char* name, ChainType type, nf_inet_hooks hook, int priority) {
    begin_chain(name);
    messages_.put_be32(NFTA_CHAIN_POLICY, NF_ACCEPT);
    messages_.put_text(NFTA_CHAIN_TYPE, type == ChainType::kNat ? "nat" : "filter");
    const NetlinkMessages::Nest nest(messages_, NFTA_CHAIN_HOOK);
    messages_.put_be32(NFTA_HOOK_HOOKNUM, hook);
    messages_.put_be32(NFTA_HOOK_PRIORITY, static_cast<uint32_t>(priority));
}

// The kernel answers in the order of the messages: the confirmation of an earlier one than the last
// could come before an error.
const NetlinkMessages& Firewall::finish() {
    messages_.ask_to_confirm();
    messages_.begin(NFNL_MSG_BATCH_END, 0, family(AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
    return messages_;
}

NetlinkMessages& Firewall::begin_rule(const char* chain) {
    begin(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
    messages_.put_text(NFTA_RULE_TABLE, name_);
    messages_.put_text(NFTA_RULE_CHAIN, chain);
    return messages_;
}

Firewall::Rule::Rule(Firewall& firewall, const char* chain)
    : messages_(firewall.begin_rule(chain)), expressions_(messages_, NFTA_RULE_EXPRESSIONS) {}

void Firewall::Rule::load_meta(nft_meta_keys key) {
    const Expression meta(messages_, "meta");
    messages_.put_be32(NFTA_META_DREG, kRegister);
    messages_.put_be32(NFTA_META_KEY, key);
}

void Firewall::Rule::load_payload(nft_payload_bases base, uint32_t offset, uint32_t bytes) {
    const Expression payload(messages_, "payload");
    messages_.put_be32(NFTA_PAYLOAD_DREG, kRegister);
    messages_.put_be32(NFTA_PAYLOAD_BASE, base);
    messages_.put_be32(NFTA_PAYLOAD_OFFSET, offset);
    messages_.put_be32(NFTA_PAYLOAD_LEN, bytes);
}

void Firewall::Rule::compare(std::span<const std::byte> value, Match match) {
    const Expression cmp(messages_, "cmp");
    messages_.put_be32(NFTA_CMP_SREG, kRegister);
    messages_.put_be32(NFTA_CMP_OP, match == Match::kIs ? NFT_CMP_EQ : NFT_CMP_NEQ);
    put_value(messages_, NFTA_CMP_DATA, value);
}

void Firewall::Rule::mask(std::span<const std::byte> kept) {
    const Expression bitwise(messages_, "bitwise");
    messages_.put_be32(NFTA_BITWISE_SREG, kRegister);
    messages_.put_be32(NFTA_BITWISE_DREG, kRegister);
    messages_.put_be32(NFTA_BITWISE_LEN, static_cast<uint32_t>(kept.size()));
    put_value(messages_, NFTA_BITWISE_MASK, kept);
    put_value(messages_, NFTA_BITWISE_XOR, bytes_of(uint32_t{0}).first(kept.size()));
}

void Firewall::Rule::is_field(nft_payload_bases base, uint32_t offset,
                              std::span<const std::byte> value, Match match) {
    load_payload(base, offset, static_cast<uint32_t>(value.size()));
    compare(value, match);
}

void Firewall::Rule::interface(nft_meta_keys key, std::string_view name, Match match) {
    std::array<char, IFNAMSIZ> padded{};
    name.copy(padded.data(), padded.size() - 1);
    load_meta(key);
    compare(std::as_bytes(std::span(padded)), match);
}

Firewall::Rule& Firewall::Rule::comes_by(std::string_view name, Match match) {
    interface(NFT_META_IIFNAME, name, match);
    return *this;
}

Firewall::Rule& Firewall::Rule::leaves_by(std::string_view name, Match match) {
    interface(NFT_META_OIFNAME, name, match);
    return *this;
}

Firewall::Rule& Firewall::Rule::ipv4(Match match) {
    load_meta(NFT_META_NFPROTO);
    compare(bytes_of(uint8_t{NFPROTO_IPV4}), match);
    return *this;
}

void Firewall::Rule::address(uint32_t offset, const Subnet& subnet, Match match) {
    load_payload(NFT_PAYLOAD_NETWORK_HEADER, offset, sizeof(uint32_t));
    if (subnet.prefix != 32) mask(bytes_of(htonl(subnet.mask())));
    compare(bytes_of(htonl(subnet.address.value)), match);
}

Firewall::Rule& Firewall::Rule::source(const Subnet& subnet, Match match) {
    address(offsetof(iphdr, saddr), subnet, match);
    return *this;
}

Firewall::Rule& Firewall::Rule::destination(const Subnet& subnet, Match match) {
    address(offsetof(iphdr, daddr), subnet, match);
    return *this;
}

void Firewall::Rule::load_destination_type() {
    const Expression fib(messages_, "fib");
    messages_.put_be32(NFTA_FIB_DREG, kRegister);
    messages_.put_be32(NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
    messages_.put_be32(NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
}

Firewall::Rule& Firewall::Rule::destination_type(uint32_t type, Match match) {
    load_destination_type();
    compare(bytes_of(type), match);
    return *this;
}

Firewall::Rule& Firewall::Rule::port(PortProtocol of, uint16_t port) {
    protocol(static_cast<uint8_t>(of));
    constexpr uint32_t kDestinationPort = 2;  // in TCP's header as in UDP's
    is_field(NFT_PAYLOAD_TRANSPORT_HEADER, kDestinationPort, bytes_of(htons(port)));
    return *this;
}

Firewall::Rule& Firewall::Rule::protocol(uint8_t protocol) {
    load_meta(NFT_META_L4PROTO);
    compare(bytes_of(protocol), Match::kIs);
    return *this;
}

Firewall::Rule& Firewall::Rule::echo_request() {
    protocol(IPPROTO_ICMP);
    is_field(NFT_PAYLOAD_TRANSPORT_HEADER, offsetof(icmphdr, type), bytes_of(uint8_t{ICMP_ECHO}));
    return *this;
}

Firewall::Rule& Firewall::Rule::no_opening() {
    protocol(IPPROTO_TCP);
    constexpr uint32_t kFlags = 13;
    load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, kFlags, sizeof(uint8_t));
    mask(bytes_of(uint8_t{TH_FIN | TH_SYN | TH_RST | TH_ACK}));
    compare(bytes_of(uint8_t{TH_SYN}), Match::kIsNot);
    return *this;
}

void Firewall::Rule::load_connection(nft_ct_keys key) {
    const Expression ct(messages_, "ct");
    messages_.put_be32(NFTA_CT_DREG, kRegister);
    messages_.put_be32(NFTA_CT_KEY, key);
}

void Firewall::Rule::any_of(nft_ct_keys key, uint32_t bits, Match match) {
    load_connection(key);
    mask(bytes_of(bits));
    compare(bytes_of(uint32_t{0}), match == Match::kIs ? Match::kIsNot : Match::kIs);
}

Firewall::Rule& Firewall::Rule::state(uint32_t any_of_these) {
    any_of(NFT_CT_STATE, any_of_these, Match::kIs);
    return *this;
}

Firewall::Rule& Firewall::Rule::redirected(Match match) {
    any_of(NFT_CT_STATUS, IPS_DST_NAT, match);
    return *this;
}

Firewall::Rule& Firewall::Rule::answer() {
    load_connection(NFT_CT_DIRECTION);
    compare(bytes_of(uint8_t{IP_CT_DIR_REPLY}), Match::kIs);
    return *this;
}

Firewall::Rule& Firewall::Rule::mark(uint32_t value) {
    load_connection(NFT_CT_MARK);
    compare(bytes_of(value), Match::kIs);
    return *this;
}

Firewall::Rule& Firewall::Rule::remember_destination(const char* addresses) {
    load_payload(NFT_PAYLOAD_NETWORK_HEADER, offsetof(iphdr, daddr), sizeof(uint32_t));
    const Expression dynset(messages_, "dynset");
    messages_.put_text(NFTA_DYNSET_SET_NAME, addresses);
    messages_.put_be32(NFTA_DYNSET_SET_ID, kSetId);
    messages_.put_be32(NFTA_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
    messages_.put_be32(NFTA_DYNSET_SREG_KEY, kRegister);
    return *this;
}

Firewall::Rule& Firewall::Rule::set_mark(uint32_t value) {
    load_constant(messages_, kRegister, bytes_of(value));
    const Expression ct(messages_, "ct");
    messages_.put_be32(NFTA_CT_KEY, NFT_CT_MARK);
    messages_.put_be32(NFTA_CT_SREG, kRegister);
    return *this;
}

Firewall::Rule& Firewall::Rule::more_connections_than(uint32_t n) {
    const Expression count(messages_, "connlimit");
    messages_.put_be32(NFTA_CONNLIMIT_COUNT, n);
    messages_.put_be32(NFTA_CONNLIMIT_FLAGS, NFT_CONNLIMIT_F_INV);
    return *this;
}

// A tag of a VLAN counts as a type: the kernel takes it out, and this expression puts it back.
Firewall::Rule& Firewall::Rule::frame_type(uint16_t type) {
    is_field(NFT_PAYLOAD_LL_HEADER, offsetof(ethhdr, h_proto), bytes_of(htons(type)));
    return *this;
}

Firewall::Rule& Firewall::Rule::frame_source(std::span<const uint8_t, 6> mac) {
    is_field(NFT_PAYLOAD_LL_HEADER, offsetof(ethhdr, h_source), std::as_bytes(mac));
    return *this;
}

Firewall::Rule& Firewall::Rule::arp() {
    frame_type(ETH_P_ARP);
    // Hardware and protocol, and the lengths of their addresses: the fields below lie as these say.
    constexpr std::array<uint8_t, 6> kIpv4OverEthernet{0, 1, 8, 0, 6, 4};
    is_field(NFT_PAYLOAD_NETWORK_HEADER, 0, bytes_of(kIpv4OverEthernet));
    return *this;
}

Firewall::Rule& Firewall::Rule::arp_sender(std::span<const uint8_t, 6> mac) {
    is_field(NFT_PAYLOAD_NETWORK_HEADER, offsetof(ether_arp, arp_sha), std::as_bytes(mac));
    return *this;
}

Firewall::Rule& Firewall::Rule::arp_sender(Ipv4Address address) {
    is_field(NFT_PAYLOAD_NETWORK_HEADER, offsetof(ether_arp, arp_spa),
             bytes_of(htonl(address.value)));
    return *this;
}

Firewall::Rule& Firewall::Rule::arp_target(Ipv4Address address) {
    is_field(NFT_PAYLOAD_NETWORK_HEADER, offsetof(ether_arp, arp_tpa),
             bytes_of(htonl(address.value)));
    return *this;
}

Firewall::Rule& Firewall::Rule::at_most(uint32_t per_second) {
    const Expression limit(messages_, "limit");
    messages_.put_be64(NFTA_LIMIT_RATE, per_second);
    messages_.put_be64(NFTA_LIMIT_UNIT, 1);  // a second
    messages_.put_be32(NFTA_LIMIT_BURST, per_second);
    messages_.put_be32(NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS);
    return *this;
}

void Firewall::Rule::verdict(uint32_t code, const char* chain) {
    const Expression immediate(messages_, "immediate");
    messages_.put_be32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    const NetlinkMessages::Nest data(messages_, NFTA_IMMEDIATE_DATA);
    const NetlinkMessages::Nest nest(messages_, NFTA_DATA_VERDICT);
    messages_.put_be32(NFTA_VERDICT_CODE, code);
    if (chain != nullptr) messages_.put_text(NFTA_VERDICT_CHAIN, chain);
}

void Firewall::Rule::masquerade() {
    const Expression masq(messages_, "masq");
}

void Firewall::Rule::redirect(Ipv4Address address, uint16_t port) {
    load_constant(messages_, kRegister, bytes_of(htonl(address.value)));
    load_constant(messages_, kSecondRegister, bytes_of(htons(port)));
    const Expression nat(messages_, "nat");
    messages_.put_be32(NFTA_NAT_TYPE, NFT_NAT_DNAT);
    messages_.put_be32(NFTA_NAT_FAMILY, NFPROTO_IPV4);
    messages_.put_be32(NFTA_NAT_REG_ADDR_MIN, kRegister);
    messages_.put_be32(NFTA_NAT_REG_PROTO_MIN, kSecondRegister);
}
