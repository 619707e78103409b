#include "monitor/auto_net/auto_net.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "abi/settings.hpp"
#include "base/io_control.hpp"
#include "base/options.hpp"
#include "base/while_busy.hpp"
#include "monitor/auto_net/connections.hpp"
#include "monitor/auto_net/host_network.hpp"
#include "monitor/auto_net/interface.hpp"
#include "monitor/auto_net/reserved_ports.hpp"
#include "monitor/auto_net/vm_rules.hpp"

namespace {

constexpr const char* kFlag = "--net auto";
constexpr unsigned kPrefix = 30;

// The kernel numbers the interfaces, each the lowest number that is free: so a name is one VM's,
// and with it the network of that number.
constexpr std::string_view kPrefixOfName = "mayfly";

struct NewTap {
    UniqueFd fd;
    std::array<char, IFNAMSIZ> name{};
    uint32_t number = 0;
};

Result<NewTap> create_tap() {
    UniqueFd fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
    if (!fd) return Error::from_errno("/dev/net/tun", "load the module tun");
    ifreq request{};
    std::strcpy(request.ifr_name, "mayfly%d");
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (io_control(fd.get(), TUNSETIFF, &request) != 0) {
        if (errno == EPERM)
            return Error{"TUNSETIFF", EPERM,
                         "it needs CAP_NET_ADMIN; be root, or use a TAP that root has made for "
                         "you: --net tap=NAME"};
        return Error::from_errno("TUNSETIFF");
    }
    NewTap tap{std::move(fd)};
    std::memcpy(tap.name.data(), request.ifr_name, tap.name.size());
    tap.number = static_cast<uint32_t>(
        TRY(parse_number(tap.name.data() + kPrefixOfName.size(), 0, UINT32_MAX)));
    return tap;
}

// Refuses networks that the host already reaches another way, and a host that will not pass on
// what comes back.
Result<> check_host(std::string_view routes, const Subnet& subnet) {
    bool has_default = false;
    bool is_forwarding = false;
    while (const auto route = take_route(routes)) {
        if (route->destination.prefix == 0) {
            has_default = true;
            is_forwarding |= forwards(route->interface);
        } else if (route->destination.overlaps(subnet)) {
            return Error{"range", 0,
                         "its addresses are in use on this host (see: ip route); name others with "
                         "range=, as in --net auto,range=10.200.0.0/16"};
        }
    }
    if (has_default && !is_forwarding)
        return Error{"net.ipv4.ip_forward", 0,
                     "is 0, so this host would drop what comes back for the guest; turn it on "
                     "with: sysctl -w net.ipv4.ip_forward=1"};
    return Ok{};
}

// Returns the socket to which the rules belong.
Result<UniqueFd> install(Firewall firewall) {
    UniqueFd socket = TRY(open_netlink(NETLINK_NETFILTER));
    const NetlinkMessages& batch = firewall.finish();
    Result<> done = Ok{};
    // EPERM: the table is that of a VM which is about to end, whose TAP has gone before. (Who may
    // make a TAP may make a table.)
    while_busy(
        [&] {
            done = send_and_confirm(socket, batch, Firewall::kConfirmations, "nf_tables");
            errno = done.ok() ? 0 : done.error().code;
            return done.ok() ? 0 : -1;
        },
        EPERM);
    if (done.ok()) return socket;
    Error error = done.error();
    if (error.code == EEXIST)
        error.hint = "somebody else has a table of the interface's name; see: nft list tables";
    else if (error.code == EPERM)
        error.hint = "it needs CAP_NET_ADMIN, and a TAP that no other VM guards";
    else
        error.hint =
            "Linux 5.12 or newer is needed, with nf_tables and its netdev, nat, masq, ct, "
            "connlimit, limit and fib";
    return error;
}

std::string word_of(const VmNetwork& vm) {
    Ipv4Text name_server{};
    if (vm.name_server.has_value()) name_server = text_of(*vm.name_server);
    std::array<char, AutoNet::kMostWordBytes + 1> word{};
    std::snprintf(word.data(), word.size(), "%s%s/%u,%s%s%s", guest_abi::kNetworkWord,
                  text_of(vm.guest).data(), kPrefix, text_of(vm.host).data(),
                  vm.name_server.has_value() ? "," : "", name_server.data());
    return word.data();
}

Result<AutoNet> make(const AutoNetOptions& options, Holder& holder) {
    NewTap tap = TRY(create_tap());
    const Subnet subnet = TRY(subnet_of(options.range, tap.number));
    TRY(check_host(TRY(read_routes()), subnet));
    const int index = TRY(index_of_interface(tap.name.data()));
    const VmNetwork vm{.interface = tap.name.data(),
                       .host = {subnet.address.value + 1},
                       .guest = {subnet.address.value + 2},
                       .name_server = read_name_server(),
                       .published = options.published,
                       .reach = options.reach,
                       .mark = mark_of(tap.number, static_cast<uint32_t>(index))};
    TRY(reserve_ports(options.published, holder));
    // The rules come first: the interface is never up without them.
    holder.keep(TRY(install(firewall_of(vm))));
    // Where that cannot be done, a connection may have to wait until a former one is forgotten.
    static_cast<void>(forget_former_connections(vm.mark));
    TRY(set_up_interface(index,
                         {.address = {vm.host, kPrefix},
                          .mtu = options.mtu,
                          .loopback = options.published.empty() ? LoopbackTraffic::kDropped
                                                                : LoopbackTraffic::kRouted}));
    return AutoNet{std::move(tap.fd), word_of(vm)};
}

}  // namespace

Result<Subnet> subnet_of(const Subnet& range, uint32_t index) {
    constexpr uint32_t kAddresses = 1U << (32 - kPrefix);
    if (range.prefix > kPrefix || index > (~range.mask() >> (32 - kPrefix)))
        return Error{"range", ENOSPC,
                     "all of its networks are in use; name a larger one with range="};
    return Subnet{{range.address.value + index * kAddresses}, kPrefix};
}

Result<AutoNet> AutoNet::create(const AutoNetOptions& options, Holder& holder) {
    auto made = make(options, holder);
    if (!made.ok()) return made.error().about(kFlag);
    return made;
}

Result<> guard(const GuardedTap& tap, Holder& holder) {
    auto rules = install(firewall_of(tap));
    if (!rules.ok()) {
        Error error = rules.error();
        if (error.code == ENOENT) error.hint = "there is no such interface; see: ip link";
        return error.about(tap.interface);
    }
    holder.keep(std::move(rules).value());
    return Ok{};
}
