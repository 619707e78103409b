// Netlink (Linux, Documentation/userspace-api/netlink/intro.rst): a run of messages with their
// attributes, and sending them. Main thread.
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

class NetlinkMessages {
public:
    // Starts a message, which ends where the next one starts. `header` is the one that the family
    // of this type has behind nlmsghdr.
    template <typename Header>
    void begin(uint16_t type, uint16_t flags, const Header& header) {
        begin_message(type, flags, std::as_bytes(std::span(&header, 1)));
    }

    // The kernel shall say that it has done what the message begun last asks for.
    void ask_to_confirm();

    // Attributes of the message begun last, or of the nest that is open.
    void put(uint16_t type, std::span<const std::byte> value);
    void put_text(uint16_t type, const char* value);  // with its NUL, as the kernel wants it
    void put_u32(uint16_t type, uint32_t value);      // in the processor's order
    void put_be32(uint16_t type, uint32_t value);     // in network order
    void put_be64(uint16_t type, uint64_t value);

    // Attributes that are put while it lives are within it. Nests end in the reverse order.
    class [[nodiscard]] Nest {
    public:
        Nest(NetlinkMessages& messages, uint16_t type);
        Nest(const Nest&) = delete;
        Nest& operator=(const Nest&) = delete;
        ~Nest();

    private:
        NetlinkMessages& messages_;
        size_t begin_;
    };

    std::span<const std::byte> bytes() const { return bytes_; }

private:
    void begin_message(uint16_t type, uint16_t flags, std::span<const std::byte> header);
    // Appends `value`, and zeroes up to the alignment of four.
    void append(std::span<const std::byte> value);
    // The last message reaches to the end.
    void grow_message();

    std::vector<std::byte> bytes_;
    size_t message_ = 0;  // where the last one begins
    uint32_t sequence_ = 0;
};

// `protocol`: NETLINK_ROUTE, NETLINK_NETFILTER. Errors: as socket(2).
Result<UniqueFd> open_netlink(int protocol);

// Sends all of `messages` at once and waits until the kernel has confirmed as many of them as ask
// for it. Errors: the kernel's, as `what`.
Result<> send_and_confirm(const UniqueFd& socket, const NetlinkMessages& messages,
                          size_t confirmations, const char* what);
