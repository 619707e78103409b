// What the host's files say about its network, as far as a VM's own has to fit in. Main thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "monitor/auto_net/subnet.hpp"

struct Route {
    std::string_view interface;
    Subnet destination{};  // of prefix 0: a default route
};

// Cuts what stands up to the end of the first route off `text`, which is of /proc/net/route, and
// outlives the route. Nothing: there is none.
std::optional<Route> take_route(std::string_view& text);

// The first IPv4 name server in the text of a resolv.conf(5) that a guest can reach too: one on a
// loopback address is a stub of the host's.
std::optional<Ipv4Address> parse_name_server(std::string_view text);

// /proc/net/route: the routes of this network namespace. Errors: as open(2).
Result<std::string> read_routes();

// From /etc/resolv.conf or, where that names only a stub, systemd-resolved's own.
std::optional<Ipv4Address> read_name_server();

// Whether packets that arrive by `interface` may be passed on. Where the file is not to be had,
// they may: nothing is said against it.
bool forwards(std::string_view interface);
