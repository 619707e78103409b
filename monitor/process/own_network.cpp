#include "monitor/process/own_network.hpp"

#include <algorithm>

#include "monitor/auto_net/auto_net.hpp"

namespace {

Result<> guard_taps(const Config& config, Holder& holder) {
    for (const NicConfig& nic : config.nics())
        if (!nic.host.guarded.empty())
            TRY(guard({.interface = nic.host.tap.c_str(),
                       .addresses = nic.host.guarded,
                       .mac = nic.shape.mac},
                      holder));
    return Ok{};
}

}  // namespace

Result<Holder> make_own_network(Config& config) {
    HostConfig& host = config.host;
    Holder holder;
    TRY(guard_taps(config, holder));
    const auto nic = std::ranges::find_if(
        host.nics, [](const NicHost& it) { return it.auto_range.has_value(); });
    if (nic == host.nics.end()) return holder;
    const size_t number = static_cast<size_t>(nic - host.nics.begin());
    AutoNet made = TRY(AutoNet::create({.range = *nic->auto_range,
                                        .mtu = config.shape.nics[number].mtu,
                                        .published = host.published,
                                        .reach = nic->reach},
                                       holder));
    nic->fd = made.tap.release();
    nic->auto_range.reset();
    config.shape.network_word = std::move(made.command_line_word);
    host.published.clear();
    TRY(validate(config, kFlagNames));
    return holder;
}
