#include "base/log.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace {

constexpr char kPrefix[] = "mayfly: ";
constexpr size_t kPrefixLength = sizeof(kPrefix) - 1;
using Line = std::array<char, 1024>;

// `length` bytes of text stand in `line` behind the prefix; one byte is kept for the newline.
void write_line(Line& line, size_t length) {
    std::copy_n(kPrefix, kPrefixLength, line.begin());
    const size_t end = kPrefixLength + std::min(length, line.size() - kPrefixLength - 1);
    line[end] = '\n';
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), end + 1);
}

}  // namespace

void log_line(const char* format, ...) {
    Line line;
    va_list arguments;
    va_start(arguments, format);
    const int length = std::vsnprintf(line.data() + kPrefixLength, line.size() - kPrefixLength - 1,
                                      format, arguments);
    va_end(arguments);
    const size_t longest = line.size() - kPrefixLength - 2;
    write_line(line, length < 0 ? 0 : std::min(static_cast<size_t>(length), longest));
}

void log_error(const Error& error) {
    Line line;
    const std::span text = std::span(line).subspan(kPrefixLength, line.size() - kPrefixLength - 1);
    write_line(line, format_error(error, text));
}
