// What the tests of documents have in common: a document goes through its parser and its writer, as
// a request and `GET /vm/config` take it there. Tests only.
#pragma once

#include <array>
#include <gtest/gtest.h>
#include <string>

#include "monitor/api/json.hpp"

template <typename Parse>
auto parsed(Parse parse, const std::string& text) {
    JsonDocument document;
    EXPECT_TRUE(document.parse(text).ok()) << text;
    auto result = parse(document.root());
    EXPECT_TRUE(result.ok()) << text << ": " << (result.ok() ? "" : result.error().what);
    return std::move(result).value();
}

// What is wrong with `text`, as a client is told it.
template <typename Parse>
std::string complaint(Parse parse, const std::string& text) {
    JsonDocument document;
    if (!document.parse(text).ok()) return "no JSON";
    const auto result = parse(document.root());
    if (result.ok()) return "none";
    std::array<char, 256> line{};
    format_error(result.error(), line);
    return line.data();
}

template <typename Write>
std::string written(Write write) {
    JsonWriter out;
    write(out);
    return out.finish();
}

// `text` without its field `name`, which is not the first one; as these tests write them.
inline std::string without(std::string text, const std::string& name) {
    const size_t at = text.find(",\"" + name + "\":");
    if (at == std::string::npos) return text;
    const size_t end = text.find_first_of(",}", at + 1);
    return text.erase(at, end - at);
}

inline std::string object_with(const std::string& start, const std::string& field,
                               const std::string& value) {
    return start + ",\"" + field + "\":" + value + "}";
}
