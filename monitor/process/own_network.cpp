#include "monitor/process/own_network.hpp"

#include <algorithm>

#include "monitor/auto_net/auto_net.hpp"

Result<UniqueFd> make_own_network(Config& config) {
    const auto nic = std::ranges::find_if(
        config.nics, [](const NicConfig& it) { return it.auto_range.has_value(); });
    if (nic == config.nics.end()) return UniqueFd();
    AutoNet made = TRY(AutoNet::create(
        {.range = *nic->auto_range, .mtu = nic->mtu, .published = config.published}));
    nic->fd = made.tap.release();
    nic->auto_range.reset();
    // In front: what stands behind `--` is for init's own command line.
    if (!config.command_line.empty()) config.command_line.insert(0, " ");
    config.command_line.insert(0, made.command_line_word);
    config.published.clear();
    TRY(validate(config, kFlagNames));
    return std::move(made.lifeline);
}
