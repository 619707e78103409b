extern "C" {
#include "library/response.h"
}

#include <gtest/gtest.h>
#include <string>
#include <string_view>

namespace {

using namespace std::literals;

constexpr auto kNoContent = "HTTP/1.1 204 No Content\r\nServer: Mayfly\r\n\r\n"sv;
constexpr auto kFault =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nCONTENT-LENGTH: \t21 \r\n\r\n"
    "{\"fault_message\":\"a\"}"sv;

long parse(std::string_view bytes, mayfly_response* response) {
    return mayfly_response_parse(bytes.data(), bytes.size(), response);
}

long length_of(std::string_view bytes) {
    mayfly_response response{};
    return parse(bytes, &response);
}

TEST(Response, IsTakenFromTheFront) {
    mayfly_response response{};
    EXPECT_EQ(parse(kNoContent, &response), std::ssize(kNoContent));
    EXPECT_EQ(response.status, 204);
    EXPECT_EQ(response.body_size, 0u);
    const std::string two = std::string(kFault) + std::string(kNoContent);
    EXPECT_EQ(parse(two, &response), std::ssize(kFault));
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(std::string_view(response.body, response.body_size), "{\"fault_message\":\"a\"}");
}

TEST(Response, IsIncompleteUpToItsLastByte) {
    for (size_t size = 0; size < kFault.size(); ++size)
        EXPECT_EQ(length_of(kFault.substr(0, size)), 0) << size;
}

TEST(Response, ThatIsMalformedIsRefused) {
    for (const auto bytes :
         {"HTTP/2.0 204 No Content\r\n\r\n"sv, "HTTP/1.2 204 No Content\r\n\r\n"sv,
          "http/1.1 204 No Content\r\n\r\n"sv, "HTTP/1.1  204 No Content\r\n\r\n"sv,
          "HTTP/1.1 204\r\n\r\n"sv, "HTTP/1.1 20a No\r\n\r\n"sv, "HTTP/1.1 2040 No\r\n\r\n"sv,
          "HTTP/1.1 100 Continue\r\n\r\n"sv, "HTTP/1.1 600 What\r\n\r\n"sv, "\r\n"sv,
          "HTTP/1.1 204 No\x01\r\n\r\n"sv, "HTTP/1.1 204 N\0o\r\n\r\n"sv,
          "HTTP/1.1 204 No\nServer: x\r\n\r\n"sv})
        EXPECT_EQ(length_of(bytes), -1) << bytes;
}

TEST(Response, WithAMalformedFieldIsRefused) {
    for (const auto field :
         {"Server"sv, ": x"sv, "Server : x"sv, " folded"sv, "Ser ver: x"sv, "Server: a\rb"sv,
          "Server: a\nb"sv, "Server: \x7f"sv, "Content-Length: "sv, "Content-Length: +1"sv,
          "Content-Length: 0x1"sv, "Content-Length: -1"sv, "Content-Length: 1, 1"sv,
          "Content-Length: 1\r\nContent-Length: 1"sv, "Content-Length: 18446744073709551617"sv,
          "Content-Length: 8193"sv, "Transfer-Encoding: chunked"sv,
          "Transfer-Encoding: identity"sv}) {
        const std::string bytes = "HTTP/1.1 200 OK\r\n" + std::string(field) + "\r\n\r\nx";
        EXPECT_EQ(length_of(bytes), -1) << field;
    }
}

TEST(Response, SaysHowLongItsBodyIs) {
    EXPECT_EQ(length_of("HTTP/1.1 200 OK\r\n\r\n"), -1);
    EXPECT_EQ(length_of("HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\nx"), -1);
    EXPECT_EQ(length_of("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"), 38);
}

TEST(Response, IsBounded) {
    const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: ";
    const std::string body(8192 - head.size() - 8, 'x');
    const std::string longest = head + std::to_string(body.size()) + "\r\n\r\n" + body;
    ASSERT_EQ(longest.size(), size_t{MAYFLY_RESPONSE_SIZE});
    EXPECT_EQ(length_of(longest), MAYFLY_RESPONSE_SIZE);
    const std::string longer = head + std::to_string(body.size() + 1) + "\r\n\r\n" + body;
    EXPECT_EQ(length_of(longer), -1);
    const std::string no_end = "HTTP/1.1 200 OK\r\nServer: " + std::string(9000, 'x');
    EXPECT_EQ(length_of(no_end), -1);
}

}  // namespace
