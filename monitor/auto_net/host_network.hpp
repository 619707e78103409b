// What the host's files say about its network, as far as a VM's own has to fit in. Main thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monitor/auto_net/subnet.hpp"

struct Route {
    std::string interface;
    Subnet destination{};  // of prefix 0: a default route
};

// The text of /proc/net/route, without what is no line of it.
std::vector<Route> parse_routes(std::string_view text);

// The first IPv4 name server in the text of a resolv.conf(5) that a guest can reach too: one on a
// loopback address is a stub of the host's.
std::optional<Ipv4Address> parse_name_server(std::string_view text);

// The routes of this network namespace. Errors: as open(2) of /proc/net/route.
Result<std::vector<Route>> read_routes();

// From /etc/resolv.conf or, where that names only a stub, systemd-resolved's own.
std::optional<Ipv4Address> read_name_server();

// Whether packets that arrive by `interface` may be passed on. Where the file is not to be had,
// they may: nothing is said against it.
bool forwards(const std::string& interface);
