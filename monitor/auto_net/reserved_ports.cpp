#include "monitor/auto_net/reserved_ports.hpp"

#include <sys/socket.h>

#include <netinet/in.h>

namespace {

const char* hint_for(int code) {
    switch (code) {
        case EADDRINUSE:
            return "another program or VM has the port; choose another, or see: ss -lntup";
        case EADDRNOTAVAIL:
            return "the host has no such address; see: ip address";
        case EACCES:
            return "ports below 1024 need CAP_NET_BIND_SERVICE";
        default:
            return nullptr;
    }
}

Result<UniqueFd> reserve(const PublishedPort& port) {
    const int type = port.protocol == PortProtocol::kTcp ? SOCK_STREAM : SOCK_DGRAM;
    UniqueFd socket(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
    if (!socket) return Error::from_errno("socket");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port.host_port);
    address.sin_addr.s_addr = htonl(port.address.value);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): how bind(2) takes its address
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
        return Error::from_errno("--publish", hint_for(errno));
    return socket;
}

}  // namespace

Result<> reserve_ports(std::span<const PublishedPort> ports, Holder& holder) {
    for (const PublishedPort& port : ports) {
        auto socket = reserve(port);
        if (!socket.ok()) return socket.error().about(port.text);
        holder.keep(std::move(socket).value());
    }
    return Ok{};
}
