#include "monitor/api/http.hpp"

#include <algorithm>
#include <charconv>

namespace {

constexpr std::string_view kLineEnd = "\r\n";

Error malformed(const char* part, const char* why) {
    return {part, 0, why};
}

// RFC 9110 §5.6.2.
bool is_token_character(char c) {
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) return true;
    constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
    return kOthers.find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, is_token_character);
}

// Field values hold anything but control characters (RFC 9110 §5.5).
bool is_field_character(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_same(std::string_view one, std::string_view other) {
    return std::ranges::equal(one, other, {}, lower, lower);
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kBlanks = " \t";
    const size_t first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// True if the comma-separated list has the word.
bool lists(std::string_view list, std::string_view word) {
    while (!list.empty()) {
        const size_t comma = std::min(list.find(','), list.size());
        if (is_same(trimmed(list.substr(0, comma)), word)) return true;
        list.remove_prefix(std::min(comma + 1, list.size()));
    }
    return false;
}

HttpMethod method_of(std::string_view name) {
    for (const HttpMethod method : {HttpMethod::kGet, HttpMethod::kPut, HttpMethod::kPatch})
        if (name == name_of(method)) return method;
    return HttpMethod::kOther;
}

// RFC 9112 §3.2.1 and §3.2.2. A query is of no use to any route, and stays in the path.
Result<std::string> path_of(std::string_view target) {
    constexpr std::string_view kScheme = "http://";
    if (is_same(target.substr(0, kScheme.size()), kScheme)) {
        target.remove_prefix(kScheme.size());
        target.remove_prefix(std::min(target.find('/'), target.size()));
        if (target.empty()) target = "/";
    }
    const auto is_visible = [](char c) { return c > ' ' && c < 0x7f; };
    if (target.empty() || target.front() != '/' || !std::ranges::all_of(target, is_visible))
        return malformed("request target", "is not a path that begins with a slash");
    return std::string(target);
}

// RFC 9112 §3: method SP request-target SP HTTP-version. True: of 1.1.
Result<bool> parse_request_line(std::string_view line, HttpHead& head) {
    const size_t first = line.find(' ');
    const size_t last = line.rfind(' ');
    if (first == std::string_view::npos || first == last)
        return malformed("request line", "is not METHOD PATH HTTP/1.1");
    const std::string_view version = line.substr(last + 1);
    if (version != "HTTP/1.1" && version != "HTTP/1.0")
        return malformed("HTTP version", "is neither 1.1 nor 1.0");
    if (!is_token(line.substr(0, first))) return malformed("method", "is not a token");
    head.method = method_of(line.substr(0, first));
    head.path = TRY(path_of(line.substr(first + 1, last - first - 1)));
    return version == "HTTP/1.1";
}

Result<size_t> parse_length(std::string_view text) {
    size_t length = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), length);
    if (text.empty() || problem != std::errc{} || end != text.data() + text.size())
        return malformed("Content-Length", "is not a number of bytes");
    return length;
}

// What the fields of a head may say once.
struct Seen {
    bool length = false;
};

// RFC 9112 §6.1: of several codings a server need know only this one.
Result<> parse_coding(std::string_view value, HttpHead& head) {
    if (head.is_chunked) return malformed("Transfer-Encoding", "is given twice");
    if (!is_same(value, "chunked")) return malformed("Transfer-Encoding", "is not chunked");
    head.is_chunked = true;
    return Ok{};
}

Result<> parse_field(std::string_view line, HttpHead& head, Seen& seen) {
    const auto [name, value] = TRY(parse_http_field(line));
    if (is_same(name, "Content-Length")) {
        if (seen.length) return malformed("Content-Length", "is given twice");
        seen.length = true;
        head.body_bytes = TRY(parse_length(value));
    } else if (is_same(name, "Transfer-Encoding")) {
        TRY(parse_coding(value, head));
    } else if (is_same(name, "Connection")) {
        if (lists(value, "close")) head.keeps_alive = false;
    } else if (is_same(name, "Expect")) {
        if (!is_same(value, "100-continue")) return malformed("Expect", "is not 100-continue");
        head.expects_continue = true;
    }
    return Ok{};
}

}  // namespace

const char* http_reason(int status) {
    switch (status) {
        case 200:
            return "OK";
        case 204:
            return "No Content";
        default:
            return "Bad Request";
    }
}

const char* name_of(HttpMethod method) {
    switch (method) {
        case HttpMethod::kGet:
            return "GET";
        case HttpMethod::kPut:
            return "PUT";
        case HttpMethod::kPatch:
            return "PATCH";
        case HttpMethod::kOther:
            return "?";
    }
    __builtin_unreachable();
}

Result<HttpField> parse_http_field(std::string_view line) {
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon)))
        return malformed("header field", "is not NAME: VALUE");
    const HttpField field{.name = line.substr(0, colon), .value = trimmed(line.substr(colon + 1))};
    if (!std::ranges::all_of(field.value, is_field_character))
        return malformed("header field", "has a control character");
    return field;
}

Result<std::optional<HttpHead>> parse_http_head(std::string_view received) {
    // A client may end its last body with an empty line of its own (RFC 9112 §2.2).
    const size_t skipped = received.starts_with(kLineEnd) ? kLineEnd.size() : 0;
    const std::string_view text = received.substr(skipped, kMaxHttpHeadBytes);
    const size_t end = text.find("\r\n\r\n");
    if (end == std::string_view::npos) {
        if (text.size() == kMaxHttpHeadBytes)
            return malformed("request head", "is longer than 8192 bytes");
        return std::optional<HttpHead>{};
    }
    std::string_view rest = text.substr(0, end + kLineEnd.size());
    const auto take_line = [&rest] {
        const size_t size = rest.find(kLineEnd);
        const std::string_view line = rest.substr(0, size);
        rest.remove_prefix(size + kLineEnd.size());
        return line;
    };
    HttpHead head;
    head.size_bytes = skipped + end + 2 * kLineEnd.size();
    const bool is_1_1 = TRY(parse_request_line(take_line(), head));
    Seen seen;
    while (!rest.empty()) TRY(parse_field(take_line(), head, seen));
    // A proxy before us may have gone by the one, and then the other leads us into what it took for
    // a request's inside (RFC 9112 §6.3).
    if (head.is_chunked && seen.length)
        return malformed("Content-Length", "is given beside Transfer-Encoding");
    if (head.is_chunked && !is_1_1)
        return malformed("Transfer-Encoding", "is not a field of HTTP/1.0");
    // HTTP/1.0 has no interim responses (RFC 9110 §10.1.1).
    if (!is_1_1) head.expects_continue = false;
    return std::optional(std::move(head));
}

std::string format_http_response(const HttpResponse& response, bool keeps_alive) {
    std::string text =
        "HTTP/1.1 " + std::to_string(response.status) + ' ' + http_reason(response.status) +
        "\r\nServer: Mayfly API\r\nConnection: " + (keeps_alive ? "keep-alive" : "close") + "\r\n";
    if (response.deprecated != nullptr) text.append("Deprecation: true\r\n");
    if (response.status != 204) {
        text.append("Content-Type: ").append(response.content_type);
        text.append("\r\nContent-Length: ").append(std::to_string(response.body.size()));
        text.append("\r\n");
    }
    return text.append("\r\n").append(response.body);
}
