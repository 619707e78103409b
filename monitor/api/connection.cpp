#include "monitor/api/connection.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace {

constexpr size_t kLongestFault = 1024;

// Whether `second` may stand behind `first`: no character is written longer than it need be, none
// is half a pair of surrogates, and U+10FFFF is the last. RFC 3629, 4.
bool may_follow(unsigned char first, unsigned char second) {
    const unsigned char least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    const unsigned char most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    return second >= least && second <= most;
}

// How many bytes of `text` are its first character in UTF-8; 0 where they are none, or cut off.
size_t character_bytes(std::string_view text) {
    const auto first = static_cast<unsigned char>(text.front());
    const size_t size = first < 0x80                    ? 1
                        : first >= 0xc2 && first < 0xe0 ? 2
                        : first >= 0xe0 && first < 0xf0 ? 3
                        : first >= 0xf0 && first < 0xf5 ? 4
                                                        : 0;
    if (size == 0 || size > text.size()) return 0;
    if (size > 1 && !may_follow(first, static_cast<unsigned char>(text[1]))) return 0;
    const auto goes_on = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; };
    return std::ranges::all_of(text.substr(1, size - 1), goes_on) ? size : 0;
}

void append_escaped(std::string& text, char c) {
    constexpr char kDigits[] = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
        text.append({'\\', c});
    } else if (byte < 0x20 || byte == 0x7f) {
        text.append("\\u00").append({kDigits[byte >> 4], kDigits[byte & 15]});
    } else {
        text.push_back(c);
    }
}

// The wait is poll(2)'s; what it said may be over by now.
bool passes_by_itself(int error) {
    return error == EAGAIN || error == EINTR;
}

}  // namespace

std::string fault_text(const Error& error) {
    std::array<char, kLongestFault> text{};
    return {text.data(), format_error(error, text)};
}

HttpResponse http_fault(std::string_view message) {
    std::string body = "{\"fault_message\": \"";
    while (!message.empty()) {
        const size_t size = character_bytes(message);
        if (size == 0)
            body.push_back('?');
        else if (size == 1)
            append_escaped(body, message.front());
        else
            body.append(message.substr(0, size));
        message.remove_prefix(std::max<size_t>(size, 1));
    }
    return {.status = 400, .body = body.append("\"}")};
}

void HttpConnection::on_ready(const HttpHandler& handler, uint64_t turn) {
    last_turn_ = turn;
    if (output_.empty())
        read_once();
    else
        write_once();
    answer_all(handler);
}

void HttpConnection::read_once() {
    std::array<char, kPieceBytes> piece;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    const ssize_t size = ::recv(fd(), piece.data(), piece.size(), MSG_DONTWAIT);
    if (size < 0 && passes_by_itself(errno)) return;
    // A client that ends in the middle of a request wants no answer to it.
    if (size <= 0)
        is_over_ = true;
    else if (!is_last_)
        input_.append(piece.data(), static_cast<size_t>(size));
}

void HttpConnection::write_once() {
    const ssize_t size = ::send(fd(), output_.data(), output_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0 && passes_by_itself(errno)) return;
    if (size < 0)
        is_over_ = true;
    else
        output_.erase(0, static_cast<size_t>(size));
}

void HttpConnection::answer_all(const HttpHandler& handler) {
    while (!is_over_ && !is_last_ && output_.empty()) {
        // All that came together is answered together, by one system call.
        while (!is_last_ && output_.size() < kPieceBytes && answer_one(handler)) {
        }
        if (output_.empty()) return;
        write_once();
    }
    // Closed at once, a socket with unread bytes would take the last answer away from the client.
    if (!is_over_ && is_last_ && output_.empty() && !is_shut_) {
        is_shut_ = true;
        ::shutdown(fd(), SHUT_WR);
    }
}

bool HttpConnection::take_head() {
    if (head_.has_value()) return true;
    auto head = parse_http_head(input_);
    if (head.ok() && !head.value().has_value()) return false;
    if (!head.ok()) {
        refuse(head.error());
        return false;
    }
    head_ = std::move(*head.value());
    input_.erase(0, head_->size_bytes);
    if (head_->is_chunked) chunks_.emplace(max_body_bytes_);
    if (head_->body_bytes > max_body_bytes_) {
        refuse(
            {"Content-Length", 0, "is more than this API takes; see --http-api-max-payload-size"});
        return false;
    }
    const bool has_body_to_come =
        head_->is_chunked ? input_.empty() : input_.size() < head_->body_bytes;
    if (head_->expects_continue && has_body_to_come) output_.append(kHttpContinue);
    return true;
}

std::optional<std::string_view> HttpConnection::take_body() {
    if (!chunks_.has_value()) {
        if (input_.size() < head_->body_bytes) return {};
        return std::string_view(input_).substr(0, head_->body_bytes);
    }
    const auto taken = chunks_->take(input_);
    if (!taken.ok()) {
        refuse(taken.error());
        return {};
    }
    input_.erase(0, taken.value());
    if (!chunks_->is_whole()) return {};
    return chunks_->data();
}

bool HttpConnection::answer_one(const HttpHandler& handler) {
    if (!take_head()) return false;
    const std::optional<std::string_view> body = take_body();
    if (!body.has_value()) return false;
    const HttpResponse response =
        handler({.method = head_->method, .path = head_->path, .body = *body});
    // To HEAD, which is none of ours, an answer has no body: what follows it could be taken for
    // one.
    is_last_ = !head_->keeps_alive || head_->method == HttpMethod::kOther;
    output_.append(format_http_response(response, !is_last_));
    input_.erase(0, head_->body_bytes);
    head_.reset();
    chunks_.reset();
    return true;
}

void HttpConnection::refuse(const Error& error) {
    output_.append(format_http_response(http_fault(fault_text(error)), false));
    is_last_ = true;
    input_.clear();
    head_.reset();
    chunks_.reset();
}
