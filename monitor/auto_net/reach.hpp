// What the guest of `--net auto` may reach, as its user says it.
#pragma once

#include <cstdint>
#include <vector>

#include "monitor/auto_net/subnet.hpp"

struct Reach {
    // A network in both is allowed: deny=0.0.0.0/0 leaves what is allowed, and nothing else.
    std::vector<Subnet> allowed;
    std::vector<Subnet> denied;  // beside kNeverUnasked

    // At most so many connections that it opens at once, and as many that are opened to it. The
    // host's table has room for 65,536 to 262,144 of all its guests, for each until two minutes
    // after its end: 2,048 are 17 new ones a second, all the time.
    uint32_t connections = 2048;

    // At most so many addresses in kPeerMs that it opens connections to. For each that is next to
    // the host and does not answer, the host has an entry in its table of neighbours, of which
    // there are 1,024 at most, for all interfaces and namespaces.
    uint32_t peers = 256;
    static constexpr uint32_t kPeerMs = 5000;
};
