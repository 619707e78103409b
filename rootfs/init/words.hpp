// Words of the small texts that init reads. Pure; views of what they are given.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

// Takes what comes before the first of `separators` off the front of `text`, and the separator; all
// of it where there is none.
inline std::string_view take_word(std::string_view& text, std::string_view separators) {
    const size_t size = std::min(text.find_first_of(separators), text.size());
    const std::string_view taken = text.substr(0, size);
    text.remove_prefix(std::min(size + 1, text.size()));
    return taken;
}

// All of `text` as a decimal number of 32 bits.
inline std::optional<uint32_t> parse_number(std::string_view text) {
    uint32_t value = 0;
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value);
    if (text.empty() || parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
    return value;
}
