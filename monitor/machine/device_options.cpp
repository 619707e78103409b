#include "monitor/machine/device_options.hpp"

#include <array>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.hpp"
#include "monitor/auto_net/auto_net.hpp"

namespace {

constexpr uint64_t kMsPerSecond = 1000;

// The pieces of "a,b,,c": "a" and "b,c".
std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> pieces(1);
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] != ',') {
            pieces.back() += text[i];
        } else if (i + 1 < text.size() && text[i + 1] == ',') {
            pieces.back() += text[++i];
        } else {
            pieces.emplace_back();
        }
    }
    return pieces;
}

struct KeyValue {
    std::string key;
    std::string value;
    bool has_value = false;
};

KeyValue key_value(const std::string& piece) {
    const size_t equals = piece.find('=');
    if (equals == std::string::npos) return {piece, "", false};
    return {piece.substr(0, equals), piece.substr(equals + 1), true};
}

// So much a second, with a burst of a second's worth.
TokenBucketConfig per_second(uint64_t tokens) {
    return {.size = tokens, .one_time_burst = 0, .refill_time_ms = kMsPerSecond};
}

Result<TokenBucketConfig> parse_bandwidth(const std::string& value) {
    const uint64_t bytes = TRY(parse_size(value.c_str()));
    if (bytes == 0) return Error{"bandwidth", 0, "is 0; leave it out for no limit"};
    return per_second(bytes);
}

Result<TokenBucketConfig> parse_ops(const std::string& value) {
    return per_second(TRY(parse_number(value.c_str(), 1, std::numeric_limits<uint32_t>::max())));
}

Result<> set_disk(DriveConfig& drive, const KeyValue& pair) {
    const auto& [key, value, has_value] = pair;
    if (key == "ro" && !has_value) {
        drive.shape.access = DiskAccess::kReadOnly;
    } else if (key == "id" && has_value) {
        drive.shape.id = value;
    } else if (key == "cache" && value == "unsafe") {
        drive.shape.cache = DiskCache::kUnsafe;
    } else if (key == "cache" && value == "writeback") {
        drive.shape.cache = DiskCache::kWriteback;
    } else if (key == "cache") {
        return Error{"--disk", 0, "cache= is unsafe or writeback"};
    } else if (key == "bandwidth" && has_value) {
        drive.host.limits.bandwidth = TRY(parse_bandwidth(value));
    } else if (key == "ops" && has_value) {
        drive.host.limits.ops = TRY(parse_ops(value));
    } else {
        return Error{"--disk", 0,
                     "takes PATH[,ro][,id=ID][,cache=unsafe|writeback][,bandwidth=SIZE][,ops=N]; "
                     "write a comma in the path twice"};
    }
    return Ok{};
}

// "10.200.0.0/16": the first address of a network, and a prefix of these lengths.
Result<Subnet> parse_network(const std::string& value, unsigned least, unsigned most,
                             const Error& error) {
    const size_t slash = value.find('/');
    if (slash == std::string::npos) return error;
    const auto address = parse_ipv4(std::string_view(value).substr(0, slash));
    const auto prefix = parse_number(value.c_str() + slash + 1, least, most);
    if (!address.ok() || !prefix.ok()) return error;
    const Subnet network{address.value(), static_cast<unsigned>(prefix.value())};
    if ((network.address.value & ~network.mask()) != 0) return error;
    return network;
}

// With room for one VM's network at least.
Result<Subnet> parse_range(const std::string& value) {
    return parse_network(value, 8, 30,
                         {"range", 0,
                          "range= takes the first address of a network and its prefix, 8 to 30, as "
                          "in 10.200.0.0/16"});
}

Result<Subnet> parse_reached(const std::string& value) {
    const bool is_one = value.find('/') == std::string::npos;
    return parse_network(is_one ? value + "/32" : value, 0, 32,
                         {"reach", 0,
                          "allow= and deny= take an address, or the first of a network and its "
                          "prefix, as in 192.0.2.0/24"});
}

Result<uint32_t> parse_bound(const std::string& value) {
    constexpr uint64_t kMost = 1 << 20;
    return static_cast<uint32_t>(TRY(parse_number(value.c_str(), 1, kMost)));
}

// What concerns the network that auto makes. Whether `key` does.
Result<bool> set_own_network(NicHost& nic, const std::string& key, const std::string& value) {
    if (!nic.auto_range.has_value()) return false;
    if (key == "range")
        nic.auto_range = TRY(parse_range(value));
    else if (key == "allow")
        nic.reach.allowed.push_back(TRY(parse_reached(value)));
    else if (key == "deny")
        nic.reach.denied.push_back(TRY(parse_reached(value)));
    else if (key == "connections")
        nic.reach.connections = TRY(parse_bound(value));
    else if (key == "peers")
        nic.reach.peers = TRY(parse_bound(value));
    else
        return false;
    return true;
}

// A NIC's own: clients of the API may also give another.
Result<MacAddress> parse_single_mac(const std::string& text) {
    const MacAddress mac = TRY(parse_mac(text.c_str()));
    if ((mac[0] & 1) != 0) return Error{"mac", 0, "is a group address; make the first byte even"};
    if (mac == MacAddress{}) return Error{"mac", 0, "is all zeroes; choose another"};
    return mac;
}

Result<> set_net(NicConfig& nic, const KeyValue& pair) {
    const auto& [key, value, has_value] = pair;
    if (TRY(set_own_network(nic.host, key, value))) return Ok{};
    if (key == "tap") {
        nic.host.tap = value;
    } else if (key == "guard" && !nic.host.tap.empty()) {
        const auto address = parse_ipv4(value);
        if (!address.ok()) return Error{"guard", 0, address.error().hint};
        nic.host.guarded.push_back(address.value());
    } else if (key == "auto" && !has_value) {
        if (!nic.host.auto_range.has_value()) nic.host.auto_range = kUsualRange;
    } else if (key == "fd") {
        nic.host.fd =
            static_cast<int>(TRY(parse_number(value.c_str(), 0, std::numeric_limits<int>::max())));
    } else if (key == "mac") {
        nic.shape.mac = TRY(parse_single_mac(value));
    } else if (key == "mtu") {
        nic.shape.mtu = static_cast<uint16_t>(
            TRY(parse_number(value.c_str(), Tap::kMinMtu, std::numeric_limits<uint16_t>::max())));
    } else if (key == "id") {
        nic.shape.id = value;
    } else if (key == "rx-bandwidth") {
        nic.host.receive_limits.bandwidth = TRY(parse_bandwidth(value));
    } else if (key == "rx-ops") {
        nic.host.receive_limits.ops = TRY(parse_ops(value));
    } else if (key == "tx-bandwidth") {
        nic.host.transmit_limits.bandwidth = TRY(parse_bandwidth(value));
    } else if (key == "tx-ops") {
        nic.host.transmit_limits.ops = TRY(parse_ops(value));
    } else {
        return Error{
            "--net", 0,
            "takes auto (and range=, allow=, deny=, connections=, peers=), tap=NAME (and guard=) "
            "or fd=N, then mac=, mtu=, id=, rx-bandwidth=, rx-ops=, tx-bandwidth=, "
            "tx-ops="};
    }
    return Ok{};
}

// `error`, found in a piece of `text`, as one of the flag.
Error of_flag(const char* flag, const char* text, const Error& error) {
    const bool names_part = error.what != flag && error.hint == nullptr;
    return Error{flag, 0, names_part ? error.what : error.hint, error.value}.about(text);
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

Result<MacAddress> parse_mac(const char* text) {
    constexpr size_t kCharacters = 17;
    constexpr const char* kHint = "a MAC address is six bytes in hex, as in mac=02:00:5e:00:53:01";
    const std::string_view all(text);
    if (all.size() != kCharacters) return Error{"mac", 0, kHint};
    MacAddress mac{};
    for (size_t i = 0; i < mac.size(); ++i) {
        const int high = hex_digit(all[3 * i]);
        const int low = hex_digit(all[3 * i + 1]);
        const bool is_parted = i + 1 == mac.size() || all[3 * i + 2] == ':';
        if (high < 0 || low < 0 || !is_parted) return Error{"mac", 0, kHint};
        mac[i] = static_cast<uint8_t>(high << 4 | low);
    }
    return mac;
}

Result<DriveConfig> parse_disk(const char* text, size_t index) {
    const std::vector<std::string> pieces = split(text);
    DriveConfig drive;
    drive.host.path = pieces.front();
    drive.shape.id = "disk" + std::to_string(index);
    if (drive.host.path.empty()) return Error{"--disk", 0, "needs a file's name"}.about(text);
    for (size_t i = 1; i < pieces.size(); ++i) {
        const Result<> set = set_disk(drive, key_value(pieces[i]));
        if (!set.ok()) return of_flag("--disk", text, set.error());
    }
    return drive;
}

Result<NicConfig> parse_net(const char* text, size_t index) {
    NicConfig nic;
    nic.shape.id = "net" + std::to_string(index);
    for (const std::string& piece : split(text)) {
        const Result<> set = set_net(nic, key_value(piece));
        if (!set.ok()) return of_flag("--net", text, set.error());
    }
    const int ways = (nic.host.tap.empty() ? 0 : 1) + (nic.host.fd.has_value() ? 1 : 0) +
                     (nic.host.auto_range.has_value() ? 1 : 0);
    if (ways != 1) return Error{"--net", 0, "needs one of auto, tap=NAME and fd=N"}.about(text);
    return nic;
}

Result<PublishedPort> parse_publish(const char* text) {
    const Error error = Error{"--publish", 0,
                              "takes [HOSTIP:]HOSTPORT:GUESTPORT[/tcp|/udp], ports from 1 to "
                              "65535, as in 8080:80"}
                            .about(text);
    constexpr uint64_t kMostPort = std::numeric_limits<uint16_t>::max();
    PublishedPort port{.text = text};
    // Cut off piece by piece, from the end.
    std::string rest = text;
    if (const size_t slash = rest.find('/'); slash != std::string::npos) {
        if (rest.compare(slash, std::string::npos, "/udp") == 0)
            port.protocol = PortProtocol::kUdp;
        else if (rest.compare(slash, std::string::npos, "/tcp") != 0)
            return error;
        rest.resize(slash);
    }
    const size_t guest_colon = rest.rfind(':');
    if (guest_colon == std::string::npos) return error;
    const auto guest_port = parse_number(rest.c_str() + guest_colon + 1, 1, kMostPort);
    rest.resize(guest_colon);
    size_t host_begin = 0;
    if (const size_t colon = rest.rfind(':'); colon != std::string::npos) {
        const auto address = parse_ipv4(std::string_view(rest).substr(0, colon));
        if (!address.ok()) return error;
        port.address = address.value();
        host_begin = colon + 1;
    }
    const auto host_port = parse_number(rest.c_str() + host_begin, 1, kMostPort);
    if (!guest_port.ok() || !host_port.ok()) return error;
    port.guest_port = static_cast<uint16_t>(guest_port.value());
    port.host_port = static_cast<uint16_t>(host_port.value());
    return port;
}
