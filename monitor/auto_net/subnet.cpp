#include "monitor/auto_net/subnet.hpp"

#include <arpa/inet.h>

// inet_pton(3) takes this form and no other.
Result<Ipv4Address> parse_ipv4(std::string_view text) {
    in_addr address{};
    if (text.find('\0') != std::string_view::npos ||
        ::inet_pton(AF_INET, std::string(text).c_str(), &address) != 1)
        return Error{"address", EINVAL, "an address is four numbers, as in 192.0.2.1"};
    return Ipv4Address{ntohl(address.s_addr)};
}

std::string text_of(Ipv4Address address) {
    std::string text;
    for (const unsigned shift : {24U, 16U, 8U, 0U}) {
        if (!text.empty()) text += '.';
        text += std::to_string(address.value >> shift & 0xff);
    }
    return text;
}
