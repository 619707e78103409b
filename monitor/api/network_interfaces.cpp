#include "monitor/api/network_interfaces.hpp"

#include <array>
#include <cstdio>
#include <limits>

#include "monitor/api/fields.hpp"
#include "monitor/machine/device_options.hpp"

namespace {

std::string mac_text(const MacAddress& mac) {
    std::array<char, 18> text{};
    std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
                  mac[3], mac[4], mac[5]);
    return text.data();
}

}  // namespace

Result<NicConfig> parse_nic(const JsonNode& body) {
    JsonFields fields = TRY(JsonFields::of(body));
    NicConfig nic;
    nic.shape.id = TRY(required_id(fields, "iface_id"));
    nic.host.tap = TRY(required_path(fields, "host_dev_name"));
    nic.host.if_missing = Tap::IfMissing::kMake;
    if (const auto mac = TRY(fields.text("guest_mac")); mac.has_value()) {
        const auto parsed = parse_mac(mac->c_str());
        if (!parsed.ok()) return Error{"guest_mac", 0, parsed.error().hint};
        nic.shape.mac = parsed.value();
    }
    if (const auto mtu =
            TRY(fields.number("mtu", Tap::kMinMtu, std::numeric_limits<uint16_t>::max())))
        nic.shape.mtu = static_cast<uint16_t>(*mtu);
    nic.host.receive_limits = TRY(parse_whole_limits(fields, "rx_rate_limiter"));
    nic.host.transmit_limits = TRY(parse_whole_limits(fields, "tx_rate_limiter"));
    TRY(fields.done());
    return nic;
}

void write_nic(const NicConfig& nic, JsonWriter& out) {
    const auto& [shape, host] = nic;
    out.text("iface_id", shape.id);
    out.text("host_dev_name", host.tap);
    out.text_or_null("guest_mac", shape.mac.has_value() ? mac_text(*shape.mac) : "");
    if (shape.mtu.has_value()) out.number("mtu", *shape.mtu);
    write_limits("rx_rate_limiter", host.receive_limits, out);
    write_limits("tx_rate_limiter", host.transmit_limits, out);
}

Result<NicChange> parse_nic_change(const JsonNode& body) {
    JsonFields fields = TRY(JsonFields::of(body));
    NicChange change;
    change.id = TRY(required_id(fields, "iface_id"));
    change.receive = TRY(parse_limits(fields, "rx_rate_limiter"));
    change.transmit = TRY(parse_limits(fields, "tx_rate_limiter"));
    TRY(fields.done());
    return change;
}

Result<HttpResponse> put_nic(const NicConfig& nic, Controller& controller) {
    Config config = controller.settings().config;
    config.put(nic);
    return controller.take(std::move(config));
}

Result<HttpResponse> change_nic(const NicChange& change, Controller& controller) {
    RunningInstance& instance = controller.running();
    Config& config = instance.settings.config;
    const size_t number = TRY(find_device(config.shape.nics, "iface_id", change.id));
    NicHost& nic = config.host.nics[number];
    RateLimiterConfig receive = nic.receive_limits;
    RateLimiterConfig transmit = nic.transmit_limits;
    apply(change.receive, receive);
    apply(change.transmit, transmit);
    TRY(instance.vm.limit_nic(number, receive, transmit));
    nic.receive_limits = receive;
    nic.transmit_limits = transmit;
    return HttpResponse{};
}
