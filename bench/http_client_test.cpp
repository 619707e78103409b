#include "bench/http_client.hpp"

#include <gtest/gtest.h>

namespace {

TEST(HttpClient, ARequestWithoutABodyHasNoLength) {
    EXPECT_EQ(format_request({.method = "GET", .path = "/", .body = ""}),
              "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n");
}

TEST(HttpClient, ARequestsBodyFollowsItsHead) {
    const std::string text = format_request({.method = "PUT", .path = "/vm", .body = "{}"});
    EXPECT_TRUE(text.starts_with("PUT /vm HTTP/1.1\r\n"));
    EXPECT_TRUE(text.ends_with("\r\nContent-Length: 2\r\n\r\n{}"));
}

TEST(HttpClient, AResponseIsTakenWhenItIsWhole) {
    const std::string text =
        "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 4\r\n\r\n\"ab\"HTTP/1.1 204 ";
    const size_t whole = text.find("HTTP/1.1 204");
    for (size_t size = 0; size < whole; ++size) {
        const auto part = parse_response(std::string_view(text).substr(0, size));
        ASSERT_TRUE(part.ok()) << size;
        EXPECT_FALSE(part.value().has_value()) << size;
    }
    const auto response = parse_response(text);
    ASSERT_TRUE(response.ok() && response.value().has_value());
    EXPECT_EQ(response.value()->status, 200);
    EXPECT_EQ(response.value()->body, "\"ab\"");
    EXPECT_EQ(response.value()->size_bytes, whole);
}

TEST(HttpClient, NoContentNeedsNoLength) {
    const auto response = parse_response("HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n");
    ASSERT_TRUE(response.ok() && response.value().has_value());
    EXPECT_EQ(response.value()->status, 204);
    EXPECT_EQ(response.value()->body, "");
}

TEST(HttpClient, WhatIsNoResponseIsRefused) {
    EXPECT_FALSE(parse_response("SSH-2.0").ok());
    EXPECT_FALSE(parse_response("HTTP/1.1 abc\r\n\r\n").ok());
    EXPECT_FALSE(parse_response("HTTP/1.1 200 OK\r\n\r\n").ok());
    EXPECT_FALSE(parse_response("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n").ok());
}

}  // namespace
