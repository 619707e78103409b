// HTTP/1.1's wire form, as a server sees it (RFC 9112): the head of a request parsed strictly, and
// responses put together. A function of bytes alone; whoever owns the connection owns the bytes.
//
// Strict means: what two parsers could read in two ways is an error. So there is no folding of
// lines, no blank before a colon, no bare LF, and of Content-Length and Transfer-Encoding one,
// once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

enum class HttpMethod : uint8_t { kGet, kPut, kPatch, kOther };

// "GET"; "?" for another.
const char* name_of(HttpMethod method);

struct HttpHead {
    HttpMethod method = HttpMethod::kOther;
    std::string path;         // begins with '/'; of an absolute form, what follows the authority
    size_t size_bytes = 0;    // of the head, to its empty line
    size_t body_bytes = 0;    // Content-Length; 0 without one
    bool is_chunked = false;  // the body comes in chunks, see ChunkedBody
    // The client may send more on this connection. One of HTTP/1.0 too, that does not ask for it: a
    // library for Firecracker, which keeps every connection, does, and tells from Content-Length
    // where an answer ends.
    bool keeps_alive = true;
    bool expects_continue = false;  // it sends the body when it has been told to
};

// A head is no longer than this, and then it is an error.
constexpr size_t kMaxHttpHeadBytes = 8192;

struct HttpField {
    std::string_view name;
    std::string_view value;
};

// A line of a head or of trailers, without its CRLF. Errors: it is no field.
Result<HttpField> parse_http_field(std::string_view line);

// Parses the head at the start of `received`; nothing while its end has not come. Errors: what the
// client did wrong; its connection is of no more use, because where its next request begins is a
// guess.
Result<std::optional<HttpHead>> parse_http_head(std::string_view received);

struct HttpResponse {
    int status = 204;  // 200, 204 or 400
    std::string body;  // none with 204
    const char* content_type = "application/json";
    const char* deprecated = nullptr;  // the field of the request that Firecracker calls so
};

// "No Content".
const char* http_reason(int status);

// The whole response, ready to be sent.
std::string format_http_response(const HttpResponse& response, bool keeps_alive);

// What a client waits for that said `Expect: 100-continue`.
constexpr std::string_view kHttpContinue = "HTTP/1.1 100 Continue\r\n\r\n";
