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

// What the C library says of `code`; nullptr where it may be silent on what it does not know.
// Thread-safe, and in no locale: musl's strerror is that, glibc's is not.
const char* describe(int code) {
#ifdef __GLIBC__
    return ::strerrordesc_np(code);
#else
    return ::strerror(code);
#endif
}

// Whether `c` goes on with a character of UTF-8, and so cannot begin a piece of text.
bool is_continuation(char c) {
    return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

}  // namespace

Subject::Subject(std::string_view name) : size_(0), bytes_() {  // NOLINT(*-member-init): one of two
    constexpr std::string_view kGap = "...";
    constexpr size_t kEnd = (kMostBytes - kGap.size()) / 2;
    const auto put = [this](std::string_view piece) {
        std::ranges::copy(piece, bytes_.begin() + size_);
        size_ = static_cast<uint8_t>(size_ + piece.size());
    };
    if (name.size() <= kMostBytes) {
        put(name);
        return;
    }
    std::string_view head = name.substr(0, kEnd + 1);
    while (head.size() > 1 && is_continuation(head.back())) head.remove_suffix(1);
    head.remove_suffix(1);
    std::string_view tail = name.substr(name.size() - kEnd);
    while (!tail.empty() && is_continuation(tail.front())) tail.remove_prefix(1);
    put(head);
    put(kGap);
    put(tail);
}

Error Error::about(std::string_view name) const {
    Error said = *this;
    if (!named.is_given()) said.named = Subject(name);
    return said;
}

size_t format_error(const Error& error, std::span<char> line) {
    LineWriter out(line);
    if (error.named.is_given()) {
        const std::string_view subject = error.subject();
        out.put("%.*s: ", static_cast<int>(subject.size()), subject.data());
        std::replace_if(
            line.begin(), line.begin() + static_cast<std::ptrdiff_t>(out.length()),
            [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
    }
    out.put("%s", error.what);
    if (error.value) out.put(" %#" PRIx64, *error.value);
    const char* reason = error.code == 0 ? nullptr : describe(error.code);
    if (reason != nullptr) out.put(": %s", reason);
    if (error.hint != nullptr) out.put("%s %s", reason != nullptr ? ";" : ":", error.hint);
    return out.length();
}
