// `--net auto`: a network for one VM, made when it starts and gone when it ends. A TAP with a /30
// of its own, NAT to wherever the host's routes lead, and ports of the host that lead to the guest.
//
// Nobody has to clean up. Each part belongs to an open descriptor of the VM's process and goes with
// it, after a SIGKILL too, and half-way through making it: the TAP with its own (no TUNSETPERSIST),
// and with it the interface's address, routes and settings; the rules with the netlink socket that
// owns their tables (firewall.hpp); a published port with the socket that is bound to it. Sockets
// are a Holder's, which nobody who takes over the VM's process can reach: the rules stay as long as
// the TAP. What else of the host's it would take, which is forwarding, is asked for and not
// changed.
//
// That needs CAP_NET_ADMIN once, in the namespaces of the caller; what runs the guest needs none.
// IPv4 alone. Main thread, before the jail is entered.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "monitor/auto_net/holder.hpp"
#include "monitor/auto_net/published_port.hpp"
#include "monitor/auto_net/reach.hpp"
#include "monitor/auto_net/subnet.hpp"
#include "monitor/auto_net/vm_rules.hpp"

// What networks of VMs are cut from. Docker's begin behind it, at 172.17.0.0; libvirt, podman and
// kind use others, and so do the default networks of the large clouds.
inline constexpr Subnet kUsualRange{{0xac10'0000}, 16};  // 172.16.0.0/16

struct AutoNetOptions {
    Subnet range = kUsualRange;     // its address is the first; of prefix 30 at most
    std::optional<uint16_t> mtu{};  // without it 1500
    std::span<const PublishedPort> published{};
    const Reach& reach;
};

struct AutoNet {
    UniqueFd tap;  // for the NIC, with IFF_NO_PI and IFF_VNET_HDR

    // For the guest's init, on the kernel's command line: "mayfly.net=ADDRESS/PREFIX,GATEWAY", and
    // ",NAMESERVER" where the host has one that the guest can reach.
    std::string command_line_word;
    // Three addresses at their longest take 62.
    static constexpr size_t kMostWordBytes = 79;

    // What has to stay open as long as the VM runs goes to `holder`. Errors, each with a remedy: no
    // CAP_NET_ADMIN; the range is full or somebody else's; the host does not forward; a port is
    // taken; no nf_tables of Linux 5.12. Nothing is left when the holder ends, too.
    static Result<AutoNet> create(const AutoNetOptions& options, Holder& holder);
};

// `--net tap=,guard=`: rules for a TAP of the user's, likewise. Errors: no such TAP, no
// CAP_NET_ADMIN, somebody else's table of its name, no nf_tables of Linux 5.12.
Result<> guard(const GuardedTap& tap, Holder& holder);

// The /30 number `index` in `range`, which has addresses for it: the host's and the guest's are the
// first and second behind its own. Errors: ENOSPC.
Result<Subnet> subnet_of(const Subnet& range, uint32_t index);
