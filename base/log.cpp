#include "base/log.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <span>

namespace {

using Line = std::array<char, 1024>;

// Set by main, if at all.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables)
const char* program = "mayfly";

// Puts the program's name at the start of `line`; returns the rest, but for the newline's place.
std::span<char> begin(Line& line) {
    const int length = std::snprintf(line.data(), line.size() / 2, "%s: ", program);
    return std::span(line).first(line.size() - 1).subspan(static_cast<size_t>(length));
}

// `length` bytes of text stand in `rest`, which begin() returned.
void write_line(Line& line, std::span<char> rest, size_t length) {
    const size_t end =
        static_cast<size_t>(rest.data() - line.data()) + std::min(length, rest.size());
    line[end] = '\n';
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), end + 1);
}

}  // namespace

void set_log_name(const char* name) {
    program = name;
}

void log_line(const char* format, ...) {
    Line line;
    const std::span<char> rest = begin(line);
    va_list arguments;
    va_start(arguments, format);
    const int length = std::vsnprintf(rest.data(), rest.size(), format, arguments);
    va_end(arguments);
    write_line(line, rest, length < 0 ? 0 : std::min(static_cast<size_t>(length), rest.size() - 1));
}

void log_error(const Error& error) {
    Line line;
    const std::span<char> rest = begin(line);
    write_line(line, rest, format_error(error, rest));
}
