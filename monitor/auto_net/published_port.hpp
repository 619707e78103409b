// A port of the host that leads to one of the guest's: `--publish`. Any thread.
#pragma once

#include <cstdint>
#include <string>

#include "monitor/auto_net/subnet.hpp"

enum class PortProtocol : uint8_t { kTcp = 6, kUdp = 17 };  // as IANA numbers them

struct PublishedPort {
    Ipv4Address address{};  // of the host; 0.0.0.0: each that it has
    uint16_t host_port = 0;
    uint16_t guest_port = 0;
    PortProtocol protocol = PortProtocol::kTcp;
    std::string text{};  // as the user wrote it, for errors
};
