// One client of the API: the bytes it has sent and not yet been answered for, and those of its
// answers that it has not taken. Requests are answered in the order in which they came, also when
// they came together; a client that does not read its answers is not read from. Nothing here waits.
//
// Owned by the server; its thread.
#pragma once

#include <poll.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"
#include "monitor/api/chunked_body.hpp"
#include "monitor/api/http.hpp"

// Views are good until the handler returns.
struct HttpRequest {
    HttpMethod method;
    std::string_view path;
    std::string_view body;
};

using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

// The error as format_error() puts it, cut where it is longer than anybody reads.
std::string fault_text(const Error& error);

// `{"fault_message": ...}`: the one form of a failure.
HttpResponse http_fault(std::string_view message);

class HttpConnection {
public:
    // `socket` is a connected stream socket. A body of more than `max_body_bytes` is refused. It
    // came in `turn`.
    HttpConnection(UniqueFd socket, size_t max_body_bytes, uint64_t turn)
        : socket_(std::move(socket)), max_body_bytes_(max_body_bytes), last_turn_(turn) {}

    int fd() const { return socket_.get(); }

    // What to wait for: POLLIN or POLLOUT.
    short events() const { return output_.empty() ? POLLIN : POLLOUT; }

    // One of events() is up: reads or writes once, and answers what is complete. `turn` counts up.
    void on_ready(const HttpHandler& handler, uint64_t turn);

    // The turn of the last on_ready(), or in which it came.
    uint64_t last_turn() const { return last_turn_; }

    // Nothing more will come or go: to be destroyed.
    bool is_over() const { return is_over_; }

private:
    // Bytes of requests that wait for their answers, at most a head and a body and a piece more.
    static constexpr size_t kPieceBytes = 4096;

    void read_once();
    void write_once();
    void answer_all(const HttpHandler& handler);
    // True if a request was there and was answered.
    bool answer_one(const HttpHandler& handler);
    // Whether the request's head, its body, is there: head_, then what take_body() says.
    bool take_head();
    std::optional<std::string_view> take_body();
    void refuse(const Error& error);

    UniqueFd socket_;
    size_t max_body_bytes_;
    std::string input_;
    std::optional<HttpHead> head_;       // of the request whose body is next in input_
    std::optional<ChunkedBody> chunks_;  // that body, if it comes in chunks
    std::string output_;
    uint64_t last_turn_;
    bool is_last_ = false;  // no further request is answered; what still comes is thrown away
    bool is_shut_ = false;  // the client has been told so
    bool is_over_ = false;
};
