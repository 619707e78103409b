#include "monitor/auto_net/host_network.hpp"

#include <arpa/inet.h>
#include <fcntl.h>

#include <array>
#include <bit>

#include "jailer/files.hpp"

namespace {

// Cuts the first line off `text`.
std::string_view take_line(std::string_view& text) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return line;
}

// Cuts the first word off `line`.
std::string_view take_word(std::string_view& line) {
    constexpr std::string_view kBlank = " \t\r";
    const size_t begin = line.find_first_not_of(kBlank);
    if (begin == std::string_view::npos) return {};
    line.remove_prefix(begin);
    const std::string_view word = line.substr(0, line.find_first_of(kBlank));
    line.remove_prefix(word.size());
    return word;
}

// The kernel prints the four bytes as they lie in memory, as one number in hex.
std::optional<uint32_t> parse_hex_address(std::string_view word) {
    constexpr size_t kDigits = 8;
    if (word.size() != kDigits) return std::nullopt;
    uint32_t in_memory = 0;
    for (const char c : word) {
        const bool is_letter = c >= 'A' && c <= 'F';
        if (!is_letter && (c < '0' || c > '9')) return std::nullopt;
        in_memory = in_memory << 4 | static_cast<uint32_t>(is_letter ? c - 'A' + 10 : c - '0');
    }
    return ntohl(in_memory);
}

std::optional<Route> parse_route(std::string_view line) {
    std::array<std::string_view, 8> words;
    for (std::string_view& word : words) word = take_word(line);
    const std::optional<uint32_t> destination = parse_hex_address(words[1]);
    const std::optional<uint32_t> mask = parse_hex_address(words[7]);
    if (!destination.has_value() || !mask.has_value()) return std::nullopt;
    return Route{words[0], {{*destination}, static_cast<unsigned>(std::countl_one(*mask))}};
}

}  // namespace

std::optional<Route> take_route(std::string_view& text) {
    while (!text.empty()) {
        const std::optional<Route> route = parse_route(take_line(text));
        if (route.has_value()) return route;
    }
    return std::nullopt;
}

std::optional<Ipv4Address> parse_name_server(std::string_view text) {
    while (!text.empty()) {
        std::string_view line = take_line(text);
        if (take_word(line) != "nameserver") continue;
        const auto address = parse_ipv4(take_word(line));
        if (address.ok() && !address.value().is_loopback() && address.value() != Ipv4Address{})
            return address.value();
    }
    return std::nullopt;
}

Result<std::string> read_routes() {
    return read_file(AT_FDCWD, "/proc/net/route");
}

std::optional<Ipv4Address> read_name_server() {
    for (const char* const path : {"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}) {
        const auto text = read_file(AT_FDCWD, path);
        if (!text.ok()) continue;
        const auto server = parse_name_server(text.value());
        if (server.has_value()) return server;
    }
    return std::nullopt;
}

bool forwards(std::string_view interface) {
    std::string path = "/proc/sys/net/ipv4/conf/";
    path.append(interface).append("/forwarding");
    const auto text = read_file(AT_FDCWD, path.c_str());
    return !text.ok() || !text.value().starts_with('0');
}
