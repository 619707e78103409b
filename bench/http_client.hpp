// A client of the API as a program would have one: HTTP over one Unix stream socket that is kept.
// One thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

struct ApiRequest {
    std::string method;
    std::string path;
    std::string body;  // JSON; "" for none
};

// As it goes through the socket, head and body in one piece.
std::string format_request(const ApiRequest& request);

struct ApiResponse {
    int status;
    std::string body;
    size_t size_bytes;  // of all of it
};

// The response at the beginning of `received`, or nothing while it is not whole. Errors: EPROTO,
// it is none.
Result<std::optional<ApiResponse>> parse_response(std::string_view received);

class HttpClient {
public:
    // Errors: as connect(2).
    static Result<HttpClient> connect(const char* path);

    // Sends and returns at once. Errors: as send(2).
    Result<> send(std::string_view text) const;
    // The response to what was sent. Errors: EPROTO as above, ETIMEDOUT, EPIPE when the other side
    // hung up, EBADMSG for another status than `expected`, whose body is then printed to stderr.
    Result<ApiResponse> receive(int expected);

private:
    explicit HttpClient(UniqueFd socket) : socket_(std::move(socket)) {}

    UniqueFd socket_;
    std::string received_;
};
