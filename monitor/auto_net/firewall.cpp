#include "monitor/auto_net/firewall.hpp"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>

#include <array>
#include <cstddef>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>

namespace {

// Of `enum nft_registers`: one of 16 bytes, in which what is compared lies, and the next.
constexpr uint32_t kRegister = NFT_REG_1;
constexpr uint32_t kSecondRegister = NFT_REG_2;

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
    // A table of this name that is there already is somebody else's: EXCL.
    begin(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
    messages_.put_text(NFTA_TABLE_NAME, name_);
    messages_.put_be32(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
}

void Firewall::begin(uint16_t type, uint16_t flags) {
    messages_.begin(static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type), flags,
                    family(NFPROTO_INET));
}

void Firewall::chain(const char* name, ChainType type, nf_inet_hooks hook, int priority) {
    begin(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    messages_.put_text(NFTA_CHAIN_TABLE, name_);
    messages_.put_text(NFTA_CHAIN_NAME, name);
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

void Firewall::Rule::mask(uint32_t mask_in_memory) {
    const Expression bitwise(messages_, "bitwise");
    messages_.put_be32(NFTA_BITWISE_SREG, kRegister);
    messages_.put_be32(NFTA_BITWISE_DREG, kRegister);
    messages_.put_be32(NFTA_BITWISE_LEN, sizeof(mask_in_memory));
    put_value(messages_, NFTA_BITWISE_MASK, bytes_of(mask_in_memory));
    put_value(messages_, NFTA_BITWISE_XOR, bytes_of(uint32_t{0}));
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
    if (subnet.prefix != 32) mask(htonl(subnet.mask()));
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

Firewall::Rule& Firewall::Rule::port(PortProtocol protocol, uint16_t port) {
    load_meta(NFT_META_L4PROTO);
    compare(bytes_of(protocol), Match::kIs);
    constexpr uint32_t kDestinationPort = 2;  // in TCP's header as in UDP's
    load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, kDestinationPort, sizeof(port));
    compare(bytes_of(htons(port)), Match::kIs);
    return *this;
}

Firewall::Rule& Firewall::Rule::echo_request() {
    load_meta(NFT_META_L4PROTO);
    compare(bytes_of(uint8_t{IPPROTO_ICMP}), Match::kIs);
    load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, offsetof(icmphdr, type), sizeof(uint8_t));
    compare(bytes_of(uint8_t{ICMP_ECHO}), Match::kIs);
    return *this;
}

void Firewall::Rule::load_connection(nft_ct_keys key) {
    const Expression ct(messages_, "ct");
    messages_.put_be32(NFTA_CT_DREG, kRegister);
    messages_.put_be32(NFTA_CT_KEY, key);
}

void Firewall::Rule::any_of(nft_ct_keys key, uint32_t bits) {
    load_connection(key);
    mask(bits);
    compare(bytes_of(uint32_t{0}), Match::kIsNot);
}

Firewall::Rule& Firewall::Rule::known_connection() {
    any_of(NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED));
    return *this;
}

Firewall::Rule& Firewall::Rule::redirected() {
    any_of(NFT_CT_STATUS, IPS_DST_NAT);
    return *this;
}

void Firewall::Rule::verdict(uint32_t code) {
    const Expression immediate(messages_, "immediate");
    messages_.put_be32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    const NetlinkMessages::Nest data(messages_, NFTA_IMMEDIATE_DATA);
    const NetlinkMessages::Nest nest(messages_, NFTA_DATA_VERDICT);
    messages_.put_be32(NFTA_VERDICT_CODE, code);
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
