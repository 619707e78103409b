// Heads of requests from a client that sends what it likes, whole and cut at every kind of place.
#include <cstdint>
#include <cstdlib>

#include "monitor/api/http.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes as characters
    const std::string_view all(reinterpret_cast<const char*>(data), size);
    const auto whole = parse_http_head(all);
    if (!whole.ok() || !whole.value().has_value()) return 0;
    const HttpHead& head = *whole.value();
    if (head.size_bytes > size || head.path.empty() || head.path.front() != '/') std::abort();
    // Less of it is no other request, and more of it is the same.
    const auto shorter = parse_http_head(all.substr(0, head.size_bytes - 1));
    if (shorter.ok() && shorter.value().has_value()) std::abort();
    const auto same = parse_http_head(all.substr(0, head.size_bytes));
    if (!same.ok() || !same.value().has_value() || same.value()->path != head.path ||
        same.value()->body_bytes != head.body_bytes ||
        same.value()->is_chunked != head.is_chunked || (head.is_chunked && head.body_bytes != 0))
        std::abort();
    return 0;
}
