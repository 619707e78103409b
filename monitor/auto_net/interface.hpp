// Setting up a network interface by rtnetlink(7). Main thread.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.hpp"
#include "monitor/auto_net/subnet.hpp"

enum class LoopbackTraffic {
    kDropped,
    kRouted,  // addresses of 127.0.0.0/8 may come and go by it (route_localnet)
};

struct InterfaceSettings {
    Subnet address{};  // the host's own, with the length of the network's prefix
    std::optional<uint16_t> mtu{};
    LoopbackTraffic loopback = LoopbackTraffic::kDropped;
};

// Errors: as netdevice(7).
Result<int> index_of_interface(const char* name);

// Gives the interface its settings, lets what comes in by it be forwarded, and puts it up. All of
// that goes with the interface. Errors: as rtnetlink(7).
Result<> set_up_interface(int index, const InterfaceSettings& settings);
