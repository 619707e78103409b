// IPv4 addresses and networks as values, and their text. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/result.hpp"

struct Ipv4Address {
    uint32_t value = 0;  // in host order: 10.0.0.1 is 0x0a000001

    constexpr bool operator==(const Ipv4Address&) const = default;
    constexpr bool is_loopback() const { return value >> 24 == 127; }
};

// An address and the length of the prefix that its network has in common.
struct Subnet {
    Ipv4Address address{};
    unsigned prefix = 0;  // 0 to 32

    constexpr bool operator==(const Subnet&) const = default;
    constexpr uint32_t mask() const { return prefix == 0 ? 0 : UINT32_MAX << (32 - prefix); }
    constexpr bool overlaps(const Subnet& other) const {
        const uint32_t common = mask() & other.mask();
        return (address.value & common) == (other.address.value & common);
    }
};

// "192.0.2.1": four decimal numbers. Errors: EINVAL.
Result<Ipv4Address> parse_ipv4(std::string_view text);

// With its NUL.
using Ipv4Text = std::array<char, sizeof("255.255.255.255")>;
Ipv4Text text_of(Ipv4Address address);
