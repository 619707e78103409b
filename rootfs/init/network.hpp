// The guest's network, as the kernel command line tells it:
// mayfly.net=ADDRESS/PREFIX,GATEWAY[,NAMESERVER] for eth0.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

struct NetworkSettings {
    uint32_t address = 0;  // all in network byte order
    uint32_t netmask = 0;
    uint32_t gateway = 0;          // 0: none
    std::string_view name_server;  // empty: none
};

// The word of `command_line`; none where it has none, or one that is none of the above.
std::optional<NetworkSettings> find_network(std::string_view command_line);

// Brings up lo, and eth0 with the settings. What fails is said and does not end init.
void bring_up_network(const std::optional<NetworkSettings>& settings);
