// Published ports are the VM's alone: each is bound, and nothing but the rules ever uses it. So a
// program that has the port, or another VM, is found out, and later ones are told. Main thread.
#pragma once

#include <span>

#include "base/result.hpp"
#include "monitor/auto_net/holder.hpp"
#include "monitor/auto_net/published_port.hpp"

// As long as `holder` holds them. Errors, each about the port's text: EADDRINUSE, EADDRNOTAVAIL,
// EACCES below port 1024.
Result<> reserve_ports(std::span<const PublishedPort> ports, Holder& holder);
