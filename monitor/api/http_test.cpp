#include "monitor/api/http.hpp"

#include <gtest/gtest.h>

namespace {

HttpHead parsed(std::string_view text) {
    const auto head = parse_http_head(text);
    EXPECT_TRUE(head.ok() && head.value().has_value()) << text;
    return head.ok() && head.value().has_value() ? *head.value() : HttpHead{};
}

bool is_refused(std::string_view text) {
    return !parse_http_head(text).ok();
}

std::string joined(std::initializer_list<std::string_view> parts) {
    std::string whole;
    for (const std::string_view part : parts) whole.append(part);
    return whole;
}

TEST(HttpHead, OfARequest) {
    const std::string_view text =
        "PUT /drives/rootfs HTTP/1.1\r\nHost: localhost\r\ncontent-LENGTH: 12 \r\n\r\n";
    const HttpHead head = parsed(joined({text, "rest"}));
    EXPECT_EQ(head.method, HttpMethod::kPut);
    EXPECT_EQ(head.path, "/drives/rootfs");
    EXPECT_EQ(head.size_bytes, text.size());
    EXPECT_EQ(head.body_bytes, 12U);
    EXPECT_TRUE(head.keeps_alive);
    EXPECT_FALSE(head.expects_continue);
    EXPECT_EQ(parsed("GET / HTTP/1.1\r\n\r\n").method, HttpMethod::kGet);
    EXPECT_EQ(parsed("PATCH /vm HTTP/1.1\r\n\r\n").method, HttpMethod::kPatch);
    EXPECT_EQ(parsed("DELETE /vm HTTP/1.1\r\n\r\n").method, HttpMethod::kOther);
}

// It is asked again with every byte.
TEST(HttpHead, IsWaitedForToItsLastByte) {
    const std::string_view text = "GET /version HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n";
    for (size_t size = 0; size < text.size(); ++size) {
        const auto head = parse_http_head(text.substr(0, size));
        ASSERT_TRUE(head.ok()) << size;
        EXPECT_FALSE(head.value().has_value()) << size;
    }
    EXPECT_EQ(parsed(text).path, "/version");
}

TEST(HttpHead, SaysWhetherTheConnectionStays) {
    EXPECT_TRUE(parsed("GET / HTTP/1.0\r\n\r\n").keeps_alive);
    EXPECT_FALSE(parsed("GET / HTTP/1.0\r\nConnection: close\r\n\r\n").keeps_alive);
    EXPECT_TRUE(parsed("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keeps_alive);
    EXPECT_FALSE(parsed("GET / HTTP/1.1\r\nConnection: close\r\n\r\n").keeps_alive);
    EXPECT_FALSE(parsed("GET / HTTP/1.1\r\nConnection: foo ,\tClose\r\n\r\n").keeps_alive);
    EXPECT_TRUE(parsed("GET / HTTP/1.1\r\nConnection: closed\r\n\r\n").keeps_alive);
}

TEST(HttpHead, OfAClientThatWaitsForItsBodyToBeWanted) {
    EXPECT_TRUE(parsed("PUT /a HTTP/1.1\r\nExpect: 100-Continue\r\n\r\n").expects_continue);
    EXPECT_FALSE(parsed("PUT /a HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expects_continue);
    EXPECT_FALSE(parsed("PUT /a HTTP/1.0\r\nConnection: keep-alive\r\n"
                        "Expect: 100-continue\r\n\r\n")
                     .expects_continue);
    EXPECT_TRUE(is_refused("PUT /a HTTP/1.1\r\nExpect: 200-ok\r\n\r\n"));
}

TEST(HttpHead, TakesTheAbsoluteFormAndAnEmptyLineBefore) {
    EXPECT_EQ(parsed("GET http://localhost/vm/config HTTP/1.1\r\n\r\n").path, "/vm/config");
    EXPECT_EQ(parsed("GET http://localhost HTTP/1.1\r\n\r\n").path, "/");
    EXPECT_EQ(parsed("\r\nGET /a HTTP/1.1\r\n\r\n").size_bytes, 21U);
}

TEST(HttpHead, RefusesWhatCouldBeReadInTwoWays) {
    for (const std::string_view line : {"Content-Length : 5",
                                        "Content-Length: 5\r\nContent-Length: 5",
                                        "Content-Length: -5",
                                        "Content-Length: +5",
                                        "Content-Length: 5,5",
                                        "Content-Length: 0x5",
                                        "Content-Length:",
                                        "Content-Length: 99999999999999999999",
                                        "Transfer-Encoding: identity",
                                        "Transfer-Encoding: gzip, chunked",
                                        "Transfer-Encoding: chunked, chunked",
                                        "Transfer-Encoding:",
                                        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                                        "Transfer-Encoding: chunked\r\nContent-Length: 5",
                                        "Content-Length: 0\r\nTransfer-Encoding: chunked",
                                        "Transfer-Encoding: \vchunked",
                                        "Transfer-Encoding : chunked",
                                        " folded: 1",
                                        "Host: a\r\n folded",
                                        "no colon",
                                        ": empty",
                                        "Host: a\x01",
                                        "Host: a\nEvil: b",
                                        "Na me: v"})
        EXPECT_TRUE(is_refused(joined({"PUT /a HTTP/1.1\r\n", line, "\r\n\r\n"}))) << line;
}

TEST(HttpHead, OfABodyInChunks) {
    const HttpHead head = parsed("PUT /a HTTP/1.1\r\ntransfer-encoding: Chunked\r\n\r\n");
    EXPECT_TRUE(head.is_chunked);
    EXPECT_EQ(head.body_bytes, 0U);
    EXPECT_FALSE(parsed("PUT /a HTTP/1.1\r\n\r\n").is_chunked);
    EXPECT_TRUE(is_refused("PUT /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"));
}

TEST(HttpHead, RefusesOtherFirstLines) {
    for (const std::string_view line :
         {"", " ", "GET", "GET /", "GET HTTP/1.1", "GET / HTTP/2.0", "GET / HTTP/1.1 ",
          "GET  / HTTP/1.1", "GET /a b HTTP/1.1", "GET a HTTP/1.1", "G@T / HTTP/1.1",
          "GET /\x7f HTTP/1.1", "GET / http/1.1", "\x16\x03\x01"})
        EXPECT_TRUE(is_refused(joined({line, "\r\nHost: a\r\n\r\n"}))) << line;
    using namespace std::string_view_literals;
    EXPECT_TRUE(is_refused("GET /\0 HTTP/1.1\r\n\r\n"sv));
}

TEST(HttpHead, IsBounded) {
    constexpr std::string_view kStart = "GET / HTTP/1.1\r\nA: ";
    constexpr std::string_view kEnd = "\r\n\r\n";
    const size_t room = kMaxHttpHeadBytes - kStart.size() - kEnd.size();
    EXPECT_EQ(parsed(joined({kStart, std::string(room, 'x'), kEnd})).size_bytes, kMaxHttpHeadBytes);
    EXPECT_TRUE(is_refused(joined({kStart, std::string(room + 1, 'x'), kEnd})));
    EXPECT_TRUE(is_refused(std::string(kMaxHttpHeadBytes, 'x')));
    EXPECT_FALSE(is_refused(std::string(kMaxHttpHeadBytes - 1, 'x')));
}

TEST(HttpResponse, HasABodyOrNone) {
    EXPECT_EQ(format_http_response({}, true),
              "HTTP/1.1 204 No Content\r\nServer: Mayfly API\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_EQ(format_http_response({.status = 400, .body = "{}"}, false),
              "HTTP/1.1 400 Bad Request\r\nServer: Mayfly API\r\nConnection: close\r\n"
              "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
}

TEST(HttpResponse, SaysOfAFieldThatItIsDeprecated) {
    EXPECT_EQ(format_http_response({.deprecated = "field"}, true),
              "HTTP/1.1 204 No Content\r\nServer: Mayfly API\r\nConnection: keep-alive\r\n"
              "Deprecation: true\r\n\r\n");
}

}  // namespace
