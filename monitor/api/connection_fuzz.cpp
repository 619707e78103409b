// A client of the API that sends what it likes in pieces of any size: a byte with the number of
// sizes, the sizes, and the stream, cut by them in turn. All that comes back are whole responses,
// one for each request and one for an error, which is the last; and where the stream was cut makes
// no difference.
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "monitor/api/connection.hpp"

namespace {

constexpr size_t kMostBody = 256;

void expect(bool holds) {
    if (!holds) std::abort();
}

class Conversation {
public:
    Conversation() : connection_(make_pair(), kMostBody, 0) {}

    void say(std::string_view piece) {
        while (!piece.empty()) {
            const ssize_t size =
                ::send(client_.get(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            if (size > 0) piece.remove_prefix(static_cast<size_t>(size));
            const size_t before = heard_.size();
            serve();
            hear();
            expect(size > 0 || heard_.size() > before);
        }
    }

    // All that came, without what says that a body may be sent: that depends on the pieces.
    std::string answers() {
        for (size_t before = 0; before != heard_.size();) {
            before = heard_.size();
            serve();
            hear();
        }
        return check_responses();
    }

private:
    UniqueFd make_pair() {
        std::array<int, 2> ends{};
        expect(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
        client_ = UniqueFd(ends[0]);
        return UniqueFd(ends[1]);
    }

    HttpResponse answer(const HttpRequest& request) {
        ++asked_;
        expect(request.body.size() <= kMostBody);
        expect(!request.path.empty() && request.path.front() == '/');
        if (request.method == HttpMethod::kPut) return {};
        return {.status = 200, .body = std::string(request.path).append(request.body)};
    }

    void serve() {
        const HttpHandler handler = [this](const HttpRequest& request) { return answer(request); };
        pollfd event{connection_.fd(), connection_.events(), 0};
        while (!connection_.is_over() && ::poll(&event, 1, 0) > 0) {
            connection_.on_ready(handler, ++turn_);
            event.events = connection_.events();
        }
    }

    void hear() {
        std::array<char, 4096> piece;  // NOLINT(cppcoreguidelines-pro-type-member-init)
        ssize_t size = 0;
        while ((size = ::recv(client_.get(), piece.data(), piece.size(), MSG_DONTWAIT)) > 0)
            heard_.append(piece.data(), static_cast<size_t>(size));
        has_ended_ = size == 0;
    }

    std::string check_responses() const {
        constexpr std::string_view kLength = "\r\nContent-Length: ";
        std::string_view rest = heard_;
        std::string finals;
        size_t answered = 0;
        size_t refused = 0;
        bool is_last = false;
        while (!rest.empty()) {
            expect(!is_last);
            const size_t head = rest.find("\r\n\r\n");
            expect(head != std::string_view::npos);
            const std::string_view lines = rest.substr(0, head + 2);
            const std::string_view status = lines.substr(0, 13);
            if (rest.starts_with(kHttpContinue)) {
                rest.remove_prefix(kHttpContinue.size());
                continue;
            }
            size_t size = head + 4;
            if (status != "HTTP/1.1 204 ") {
                const size_t at = lines.find(kLength);
                expect(at != std::string_view::npos);
                size += std::stoul(std::string(lines.substr(at + kLength.size(), 8)));
            }
            expect(size <= rest.size());
            const bool is_error = status == "HTTP/1.1 400 ";
            expect(is_error || status == "HTTP/1.1 204 " || status == "HTTP/1.1 200 ");
            is_error ? ++refused : ++answered;
            is_last = lines.find("\r\nConnection: close\r\n") != std::string_view::npos;
            expect(is_last || !is_error);
            finals.append(rest.substr(0, size));
            rest.remove_prefix(size);
        }
        expect(answered == asked_ && refused <= 1 && has_ended_ == is_last);
        return finals;
    }

    UniqueFd client_;
    HttpConnection connection_;
    std::string heard_;
    size_t asked_ = 0;
    uint64_t turn_ = 0;
    bool has_ended_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    constexpr size_t kMostSizes = 16;
    if (size == 0) return 0;
    const std::span<const uint8_t> input(data, size);
    const size_t count = 1 + input[0] % kMostSizes;
    if (size < 1 + count) return 0;
    const auto sizes = input.subspan(1, count);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes as characters
    const std::string_view stream(reinterpret_cast<const char*>(data) + 1 + count,
                                  size - 1 - count);
    Conversation in_pieces;
    size_t at = 0;
    for (size_t i = 0; at < stream.size(); ++i) {
        // Small ones, and some that are larger than what is read at once.
        const size_t length =
            sizes[i % count] < 224 ? 1U + sizes[i % count] : 1024U * (sizes[i % count] - 223U);
        in_pieces.say(stream.substr(at, length));
        at += length;
    }
    Conversation at_once;
    at_once.say(stream);
    expect(in_pieces.answers() == at_once.answers());
    return 0;
}
