#include "base/result.hpp"

#include <algorithm>
#include <cctype>
#include <cinttypes>
#include <cstdio>
#include <cstring>

namespace {

// Appends to a fixed line; what does not fit is cut.
class LineWriter {
public:
    explicit LineWriter(std::span<char> line) : line_(line) {}

    template <typename... Args>
    void put(const char* format, Args... args) {
        const auto rest = line_.subspan(length_);
        const int wanted = std::snprintf(rest.data(), rest.size(), format, args...);
        if (wanted > 0) length_ += std::min(static_cast<size_t>(wanted), rest.size() - 1);
    }

    size_t length() const { return length_; }

private:
    std::span<char> line_;
    size_t length_ = 0;
};

}  // namespace

size_t format_error(const Error& error, std::span<char> line) {
    LineWriter out(line);
    if (error.subject != nullptr) {
        out.put("%s: ", error.subject);
        std::replace_if(
            line.begin(), line.begin() + static_cast<std::ptrdiff_t>(out.length()),
            [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
    }
    out.put("%s", error.what);
    if (error.value) out.put(" %#" PRIx64, *error.value);
    // strerrordesc_np is thread-safe and ignores the locale, unlike strerror.
    const char* reason = error.code == 0 ? nullptr : strerrordesc_np(error.code);
    if (reason != nullptr) out.put(": %s", reason);
    if (error.hint != nullptr) out.put("%s %s", reason != nullptr ? ";" : ":", error.hint);
    return out.length();
}
