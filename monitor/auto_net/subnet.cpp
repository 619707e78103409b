#include "monitor/auto_net/subnet.hpp"

#include <arpa/inet.h>

#include <cstdio>
#include <cstring>

// inet_pton(3) takes this form and no other.
Result<Ipv4Address> parse_ipv4(std::string_view text) {
    Ipv4Text copy{};
    text.copy(copy.data(), copy.size() - 1);
    in_addr address{};
    if (std::strlen(copy.data()) != text.size() || ::inet_pton(AF_INET, copy.data(), &address) != 1)
        return Error{"address", EINVAL, "an address is four numbers, as in 192.0.2.1"};
    return Ipv4Address{ntohl(address.s_addr)};
}

Ipv4Text text_of(Ipv4Address address) {
    Ipv4Text text{};
    const uint32_t value = address.value;
    std::snprintf(text.data(), text.size(), "%u.%u.%u.%u", value >> 24, value >> 16 & 0xff,
                  value >> 8 & 0xff, value & 0xff);
    return text;
}
