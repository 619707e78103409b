#include "bench/http_client.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

#include "bench/program.hpp"

namespace {

constexpr double kAnswerTimeoutUs = 30e6;
constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr std::string_view kVersion = "HTTP/1.1 ";
constexpr std::string_view kLength = "\r\nContent-Length: ";

constexpr Error kNoResponse{"response", EPROTO, "is not HTTP/1.1 with a Content-Length"};

// The number that `text` begins with.
Result<size_t> leading_number(std::string_view text) {
    size_t number = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (problem != std::errc{} || end == text.data()) return kNoResponse;
    return number;
}

}  // namespace

std::string format_request(const ApiRequest& request) {
    std::string text = request.method + ' ' + request.path + " HTTP/1.1\r\n";
    text += "Host: localhost\r\nAccept: application/json\r\n";
    if (!request.body.empty())
        text += "Content-Type: application/json\r\nContent-Length: " +
                std::to_string(request.body.size()) + "\r\n";
    return text + "\r\n" + request.body;
}

Result<std::optional<ApiResponse>> parse_response(std::string_view received) {
    const size_t compared = std::min(received.size(), kVersion.size());
    if (received.substr(0, compared) != kVersion.substr(0, compared)) return kNoResponse;
    const size_t end = received.find(kHeadEnd);
    if (end == std::string_view::npos) return std::optional<ApiResponse>{};
    const std::string_view head = received.substr(0, end);
    const size_t status = TRY(leading_number(head.substr(kVersion.size())));
    const size_t length_at = head.find(kLength);
    size_t length = 0;
    if (length_at != std::string_view::npos)
        length = TRY(leading_number(head.substr(length_at + kLength.size())));
    else if (status != 204)
        return kNoResponse;
    const size_t body_at = end + kHeadEnd.size();
    if (received.size() - body_at < length) return std::optional<ApiResponse>{};
    return std::optional(ApiResponse{.status = static_cast<int>(status),
                                     .body = std::string(received.substr(body_at, length)),
                                     .size_bytes = body_at + length});
}

Result<HttpClient> HttpClient::connect(const char* path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string_view name = path;
    if (name.size() >= sizeof(address.sun_path)) return Error{"connect", ENAMETOOLONG};
    name.copy(address.sun_path, name.size());
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) return Error::from_errno("socket");
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): sockaddr's way to be many things
    const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
    if (::connect(socket.get(), generic, sizeof(address)) != 0) return Error::from_errno("connect");
    return HttpClient(std::move(socket));
}

Result<> HttpClient::send(std::string_view text) const {
    while (!text.empty()) {
        const ssize_t sent = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) return Error::from_errno("send");
        if (sent > 0) text.remove_prefix(static_cast<size_t>(sent));
    }
    return Ok{};
}

Result<ApiResponse> HttpClient::receive(int expected) {
    const double deadline_us = now_us() + kAnswerTimeoutUs;
    std::array<char, 4096> piece{};
    for (;;) {
        auto response = TRY(parse_response(received_));
        if (response.has_value()) {
            received_.erase(0, response->size_bytes);
            if (response->status == expected) return std::move(*response);
            std::fprintf(stderr, "mayfly-bench: %s\n", response->body.c_str());
            return Error{"HTTP status", EBADMSG, "is another than a measurement needs",
                         static_cast<uint64_t>(response->status)};
        }
        TRY(wait_readable(socket_.get(), deadline_us));
        const ssize_t got = ::recv(socket_.get(), piece.data(), piece.size(), 0);
        if (got == 0) return Error{"response", EPIPE, "the program hung up"};
        if (got < 0 && errno != EINTR) return Error::from_errno("recv");
        if (got > 0) received_.append(piece.data(), static_cast<size_t>(got));
    }
}
