// The host's network: what a TAP and --net auto need, and how much room there is.
#include <charconv>

#include "monitor/auto_net/host_network.hpp"
#include "monitor/doctor/check.hpp"

namespace {

// Of namespaces in which things could have been tried.
std::optional<Finding> untried(const Host& host) {
    const Trial& trial = host.answers.trial;
    if (trial.user_namespace != 0) return skipped("no user namespace to try it in");
    if (trial.namespaces != 0) return skipped("no network namespace to try it in");
    return std::nullopt;
}

Finding tun(const Host& host) {
    const Answers& answers = host.answers;
    if (answers.tun == EACCES || answers.tun == EPERM)
        return warning(with_reason("/dev/net/tun", answers.tun), "allow this user to open it");
    if (answers.tun != 0)
        return warning(with_reason("/dev/net/tun", answers.tun),
                       "modprobe tun, or lend it to this container");
    if (untried(host).has_value()) return fine("/dev/net/tun opens");
    if (answers.trial.tap == 0) return fine("a TAP can be made in a namespace of its own");
    return warning(with_reason("TUNSETIFF", answers.trial.tap), "see dmesg");
}

Finding net_admin(const Host& host) {
    constexpr unsigned kNetAdmin = 12;  // CAP_NET_ADMIN
    const auto status = host.files.text("proc/self/status");
    if (!status.ok()) return unreadable(status.error());
    const auto word = value_of(status.value(), "CapEff");
    uint64_t held = 0;
    if (word.has_value()) std::from_chars(word->data(), word->data() + word->size(), held, 16);
    if ((held >> kNetAdmin & 1) != 0) return fine("CAP_NET_ADMIN is held");
    return warning("no CAP_NET_ADMIN for --net auto",
                   "be root, or use TAPs that root has made: --net tap=NAME");
}

Finding nf_tables(const Host& host) {
    if (auto finding = untried(host)) return *finding;
    const int code = host.answers.trial.rules;
    if (code == 0) return fine("the rules of --net auto, in a table with an owner");
    return warning(with_reason("nf_tables", code),
                   "Linux 5.12 or newer, with nf_tables and its netdev, nat, masq, ct, connlimit, "
                   "limit and fib");
}

Finding forwarding(const Host& host) {
    const auto routes = host.files.text("proc/net/route");
    if (!routes.ok()) return unreadable(routes.error());
    std::string_view rest = routes.value();
    bool has_default = false;
    while (const auto route = take_route(rest)) {
        if (route->destination.prefix != 0) continue;
        has_default = true;
        const std::string path =
            joined({"proc/sys/net/ipv4/conf/", route->interface, "/forwarding"});
        const auto is_on = host.files.number(path.c_str());
        if (is_on.ok() && is_on.value() != 0) return fine(joined({route->interface, " forwards"}));
    }
    if (!has_default) return skipped("no default route that guests could take");
    return warning("net.ipv4.ip_forward is 0", "sysctl -w net.ipv4.ip_forward=1");
}

std::string connections(const Result<uint64_t>& used, uint64_t most) {
    return joined({used.ok() ? std::to_string(used.value()) : "some", " of ", std::to_string(most),
                   " connections"});
}

bool is_filling(const Result<uint64_t>& used, uint64_t most) {
    constexpr uint64_t kTenths = 10;
    constexpr uint64_t kMostTenths = 7;
    return used.ok() && used.value() > most / kTenths * kMostTenths;
}

Finding conntrack(const Host& host) {
    constexpr uint64_t kEnough = 262'144;
    const auto most = host.files.number("proc/sys/net/netfilter/nf_conntrack_max");
    if (!most.ok())
        return skipped("nf_conntrack is not loaded yet, or its sizes are not shown here");
    const auto used = host.files.number("proc/sys/net/netfilter/nf_conntrack_count");
    const std::string found = connections(used, most.value());
    if (most.value() >= kEnough && !is_filling(used, most.value())) return fine(found);
    return warning(found, "sysctl -w net.netfilter.nf_conntrack_max=1048576");
}

Finding neighbours(const Host& host) {
    constexpr uint64_t kEnough = 8192;
    const auto most = host.files.number("proc/sys/net/ipv4/neigh/default/gc_thresh3");
    if (!most.ok()) return skipped("the neighbour table's sizes are not shown in this namespace");
    const std::string found = joined({"room for ", std::to_string(most.value()), " neighbours"});
    if (most.value() >= kEnough) return fine(found);
    return warning(found, "sysctl -w net.ipv4.neigh.default.gc_thresh3=16384");
}

}  // namespace

Findings network_findings(const Host& host) {
    Findings found;
    found.push_back({"tun", tun(host)});
    found.push_back({"net-admin", net_admin(host)});
    found.push_back({"nf-tables", nf_tables(host)});
    found.push_back({"forwarding", forwarding(host)});
    found.push_back({"conntrack", conntrack(host)});
    found.push_back({"neighbours", neighbours(host)});
    return found;
}
