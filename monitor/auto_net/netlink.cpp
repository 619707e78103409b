#include "monitor/auto_net/netlink.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <endian.h>

namespace {

constexpr size_t kAlignment = NLMSG_ALIGNTO;
static_assert(NLA_ALIGNTO == kAlignment && sizeof(nlmsghdr) % kAlignment == 0 &&
              sizeof(nlattr) % kAlignment == 0);

constexpr int kMostErrno = 4095;  // Linux include/linux/err.h

constexpr size_t aligned(size_t size) {
    return (size + kAlignment - 1) / kAlignment * kAlignment;
}

// Takes the confirmations in `answer`: counts them down, or returns the error that one of them is.
Result<> take(std::span<const std::byte> answer, size_t& awaited, const char* what) {
    while (answer.size() >= sizeof(nlmsghdr)) {
        nlmsghdr header{};
        std::memcpy(&header, answer.data(), sizeof(header));
        if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > answer.size()) break;
        int code = 0;
        if (header.nlmsg_type == NLMSG_ERROR && header.nlmsg_len >= sizeof(header) + sizeof(code)) {
            std::memcpy(&code, answer.data() + sizeof(header), sizeof(code));
            // The kernel says a negative errno value. Not every other number has a negative.
            if (code != 0) return Error{what, code < 0 && code >= -kMostErrno ? -code : EPROTO};
            if (awaited > 0) --awaited;
        }
        answer = answer.subspan(std::min(aligned(header.nlmsg_len), answer.size()));
    }
    return Ok{};
}

}  // namespace

void NetlinkMessages::append(std::span<const std::byte> value) {
    bytes_.insert(bytes_.end(), value.begin(), value.end());
    bytes_.resize(aligned(bytes_.size()));
}

void NetlinkMessages::grow_message() {
    const auto length = static_cast<uint32_t>(bytes_.size() - message_);
    std::memcpy(&bytes_[message_ + offsetof(nlmsghdr, nlmsg_len)], &length, sizeof(length));
}

void NetlinkMessages::begin_message(uint16_t type, uint16_t flags,
                                    std::span<const std::byte> header) {
    message_ = bytes_.size();
    const nlmsghdr message{.nlmsg_len = 0,
                           .nlmsg_type = type,
                           .nlmsg_flags = static_cast<uint16_t>(flags | NLM_F_REQUEST),
                           .nlmsg_seq = ++sequence_,
                           .nlmsg_pid = 0};
    append(std::as_bytes(std::span(&message, 1)));
    append(header);
    grow_message();
}

void NetlinkMessages::ask_to_confirm() {
    nlmsghdr message{};
    std::memcpy(&message, &bytes_[message_], sizeof(message));
    message.nlmsg_flags |= NLM_F_ACK;
    std::memcpy(&bytes_[message_], &message, sizeof(message));
}

void NetlinkMessages::put(uint16_t type, std::span<const std::byte> value) {
    const nlattr attribute{.nla_len = static_cast<uint16_t>(sizeof(nlattr) + value.size()),
                           .nla_type = type};
    append(std::as_bytes(std::span(&attribute, 1)));
    append(value);
    grow_message();
}

void NetlinkMessages::put_text(uint16_t type, const char* value) {
    put(type, std::as_bytes(std::span(value, std::strlen(value) + 1)));
}

void NetlinkMessages::put_u32(uint16_t type, uint32_t value) {
    put(type, std::as_bytes(std::span(&value, 1)));
}

void NetlinkMessages::put_be32(uint16_t type, uint32_t value) {
    put_u32(type, htonl(value));
}

void NetlinkMessages::put_be64(uint16_t type, uint64_t value) {
    const uint64_t swapped = htobe64(value);
    put(type, std::as_bytes(std::span(&swapped, 1)));
}

NetlinkMessages::Nest::Nest(NetlinkMessages& messages, uint16_t type)
    : messages_(messages), begin_(messages.bytes_.size()) {
    messages_.put(static_cast<uint16_t>(type | NLA_F_NESTED), {});
}

NetlinkMessages::Nest::~Nest() {
    const auto length = static_cast<uint16_t>(messages_.bytes_.size() - begin_);
    std::memcpy(&messages_.bytes_[begin_ + offsetof(nlattr, nla_len)], &length, sizeof(length));
}

Result<UniqueFd> open_netlink(int protocol) {
    UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    if (!socket) return Error::from_errno("netlink socket");
    // An error shall not bring back the whole message that it is about.
    const int one = 1;
    ::setsockopt(socket.get(), SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
    return socket;
}

Result<> send_and_confirm(const UniqueFd& socket, const NetlinkMessages& messages,
                          size_t confirmations, const char* what) {
    const std::span<const std::byte> bytes = messages.bytes();
    if (::send(socket.get(), bytes.data(), bytes.size(), 0) < 0) return Error::from_errno(what);
    while (confirmations > 0) {
        std::array<std::byte, 8192> answer{};
        const ssize_t size = ::recv(socket.get(), answer.data(), answer.size(), 0);
        if (size < 0 && errno != EINTR) return Error::from_errno(what);
        if (size > 0)
            TRY(take(std::span(answer).first(static_cast<size_t>(size)), confirmations, what));
    }
    return Ok{};
}
