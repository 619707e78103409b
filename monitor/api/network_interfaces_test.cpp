#include "monitor/api/network_interfaces.hpp"

#include <gtest/gtest.h>

#include "monitor/api/document_test.hpp"

namespace {

constexpr char kNic[] =
    "{\"iface_id\":\"eth0\",\"host_dev_name\":\"tap0\",\"guest_mac\":\"06:00:ac:10:00:ff\","
    "\"mtu\":1500,\"rx_rate_limiter\":{"
    "\"bandwidth\":{\"size\":1,\"one_time_burst\":2,\"refill_time\":3},\"ops\":null},"
    "\"tx_rate_limiter\":{\"bandwidth\":null,\"ops\":{\"size\":4,\"one_time_burst\":5,\"refill_"
    "time\":6}}}";

constexpr char kShortNic[] = "{\"iface_id\":\"e\",\"host_dev_name\":\"tap0\"";

TEST(NicDocument, GoesBothWays) {
    const NicConfig nic = parsed(parse_nic, kNic);
    EXPECT_EQ(written([&](JsonWriter& out) { write_nic(nic, out); }), kNic);
    EXPECT_EQ(nic.host.receive_limits.bandwidth.one_time_burst, 2U);
    EXPECT_EQ(nic.host.transmit_limits.ops.refill_time_ms, 6U);
    const std::string short_one = std::string(kShortNic) + "}";
    const NicConfig plain = parsed(parse_nic, short_one);
    EXPECT_EQ(plain.shape.mac, std::nullopt);
    EXPECT_EQ(plain.shape.mtu, std::nullopt);
    EXPECT_EQ(plain.host.fd, std::nullopt);
    EXPECT_EQ(written([&](JsonWriter& out) { write_nic(plain, out); }),
              std::string(kShortNic) +
                  ",\"guest_mac\":null,\"rx_rate_limiter\":null,\"tx_rate_limiter\":null}");
}

TEST(NicDocument, SaysWhatIsWrong) {
    const auto with = [](const char* field, const char* value) {
        return complaint(parse_nic, object_with(kShortNic, field, value));
    };
    EXPECT_EQ(with("mtu", "68"), "none");
    EXPECT_EQ(with("mtu", "65535"), "none");
    EXPECT_EQ(with("mtu", "67"), "mtu: is too small");
    EXPECT_EQ(with("mtu", "65536"), "mtu: is too large");
    EXPECT_EQ(with("guest_mac", "null"), "none");
    for (const char* const mac :
         {"\"\"", "\"06:00:ac:10:00\"", "\"06:00:ac:10:00:0g\"", "\"06:00:ac:10:00:02:03\""})
        EXPECT_EQ(with("guest_mac", mac).substr(0, 11), "guest_mac: ") << mac;
    for (const char* const mac :
         {"\"07:00:ac:10:00:02\"", "\"ff:ff:ff:ff:ff:ff\"", "\"00:00:00:00:00:00\""})
        EXPECT_EQ(with("guest_mac", mac), "none") << mac;
    EXPECT_EQ(complaint(parse_nic, "{\"iface_id\":\"e\"}"), "host_dev_name: is missing");
    EXPECT_EQ(complaint(parse_nic, "{\"iface_id\":\"e\",\"host_dev_name\":\"\"}"),
              "host_dev_name: is empty");
    EXPECT_EQ(complaint(parse_nic, "{\"iface_id\":\"a/b\",\"host_dev_name\":\"t\"}"),
              "iface_id: takes letters, digits, '-', '_' and '.'");
}

TEST(NicChangeDocument, NamesWhatChanges) {
    const NicChange change =
        parsed(parse_nic_change,
               "{\"iface_id\":\"e\",\"rx_rate_limiter\":{\"ops\":{\"size\":1,\"refill_time\":2}}}");
    EXPECT_FALSE(change.receive.bandwidth.has_value());
    EXPECT_EQ(change.receive.ops->refill_time_ms, 2U);
    EXPECT_FALSE(change.transmit.bandwidth.has_value() || change.transmit.ops.has_value());
    EXPECT_EQ(complaint(parse_nic_change, "{\"iface_id\":\"e\",\"guest_mac\":null}"),
              "guest_mac: is no field of this request");
    EXPECT_EQ(complaint(parse_nic_change, "{}"), "iface_id: is missing");
}

}  // namespace
