#include "monitor/auto_net/subnet.hpp"

#include <arpa/inet.h>

#include <array>

// inet_pton(3) takes this form and no other.
Result<Ipv4Address> parse_ipv4(std::string_view text) {
    in_addr address{};
    if (text.find('\0') != std::string_view::npos ||
        ::inet_pton(AF_INET, std::string(text).c_str(), &address) != 1)
        return Error{"address", EINVAL, "an address is four numbers, as in 192.0.2.1"};
    return Ipv4Address{ntohl(address.s_addr)};
}

std::string text_of(Ipv4Address address) {
    const in_addr network_order{htonl(address.value)};
    std::array<char, INET_ADDRSTRLEN> text{};
    ::inet_ntop(AF_INET, &network_order, text.data(), text.size());
    return text.data();
}
