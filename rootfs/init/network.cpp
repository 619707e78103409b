#include "rootfs/init/network.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <net/route.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "abi/settings.hpp"
#include "rootfs/init/failure.hpp"
#include "rootfs/init/words.hpp"

namespace {

std::optional<uint32_t> parse_address(std::string_view text) {
    std::array<char, INET_ADDRSTRLEN> string{};
    in_addr address{};
    if (text.size() >= string.size()) return std::nullopt;
    std::copy(text.begin(), text.end(), string.begin());
    if (::inet_pton(AF_INET, string.data(), &address) != 1) return std::nullopt;
    return address.s_addr;
}

std::optional<uint32_t> parse_prefix(std::string_view text) {
    const std::optional<uint32_t> bits = parse_number(text);
    if (!bits || *bits > 32) return std::nullopt;
    return *bits == 0 ? 0 : htonl(0xffffffffU << (32 - *bits));
}

std::optional<NetworkSettings> parse_network(std::string_view value) {
    NetworkSettings settings;
    const auto address = parse_address(take_word(value, "/"));
    const auto netmask = parse_prefix(take_word(value, ","));
    if (!address || !netmask) return std::nullopt;
    settings.address = *address;
    settings.netmask = *netmask;
    const std::string_view gateway = take_word(value, ",");
    if (!gateway.empty()) {
        const auto parsed = parse_address(gateway);
        if (!parsed) return std::nullopt;
        settings.gateway = *parsed;
    }
    if (!value.empty() && !parse_address(value)) return std::nullopt;
    settings.name_server = value;
    return settings;
}

ifreq request_for(const char* interface) {
    ifreq request{};
    std::strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
    return request;
}

sockaddr socket_address(uint32_t address) {
    sockaddr_in internet{};
    internet.sin_family = AF_INET;
    internet.sin_addr.s_addr = address;
    sockaddr generic{};
    std::memcpy(&generic, &internet, sizeof generic);
    return generic;
}

bool bring_up(int socket, const char* interface) {
    ifreq request = request_for(interface);
    if (::ioctl(socket, SIOCGIFFLAGS, &request) != 0) return false;
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    return ::ioctl(socket, SIOCSIFFLAGS, &request) == 0;
}

bool set_addresses(int socket, const char* interface, const NetworkSettings& settings) {
    ifreq request = request_for(interface);
    request.ifr_addr = socket_address(settings.address);
    if (::ioctl(socket, SIOCSIFADDR, &request) != 0) return false;
    request.ifr_netmask = socket_address(settings.netmask);
    return ::ioctl(socket, SIOCSIFNETMASK, &request) == 0;
}

bool set_gateway(int socket, uint32_t gateway) {
    rtentry route{};
    route.rt_dst = socket_address(0);
    route.rt_genmask = socket_address(0);
    route.rt_gateway = socket_address(gateway);
    route.rt_flags = RTF_UP | RTF_GATEWAY;
    return ::ioctl(socket, SIOCADDRT, &route) == 0;
}

}  // namespace

std::optional<NetworkSettings> find_network(std::string_view command_line) {
    constexpr std::string_view kWord = guest_abi::kNetworkWord;
    while (!command_line.empty()) {
        std::string_view word = take_word(command_line, " \n");
        if (!word.starts_with(kWord)) continue;
        word.remove_prefix(kWord.size());
        return parse_network(word);
    }
    return std::nullopt;
}

void bring_up_network(const std::optional<NetworkSettings>& settings) {
    constexpr char kInterface[] = "eth0";
    const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket < 0) return;  // a kernel without a network
    bring_up(socket, "lo");
    if (settings.has_value()) {
        if (!set_addresses(socket, kInterface, *settings) || !bring_up(socket, kInterface))
            warn("cannot be brought up", kInterface);
        else if (settings->gateway != 0 && !set_gateway(socket, settings->gateway))
            warn("no route by the gateway", kInterface);
    }
    ::close(socket);
}
