#include "bench/version.hpp"

#include <algorithm>
#include <charconv>

#include "bench/program.hpp"

namespace {

bool is_digit(char character) {
    return character >= '0' && character <= '9';
}

// The number that `text` begins with, which is taken off.
uint64_t take_number(std::string_view& text) {
    uint64_t number = 0;
    const char* const end = std::from_chars(text.data(), text.data() + text.size(), number).ptr;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    return number;
}

}  // namespace

Result<std::string> version_of(const std::string& program) {
    constexpr int kLimitMs = 5000;
    const auto process = Process::start(
        {.name = "version", .words = {program, "--version"}, .errors = ErrorOutput::kDropped});
    if (!process.ok()) return process.error().about(program);
    auto line = process.value().first_line(kLimitMs);
    if (!line.ok() && line.error().code != EINTR) return std::string();
    return line;
}

std::string_view version_number(std::string_view line) {
    while (!line.empty()) {
        const std::string_view word = line.substr(0, line.find(' '));
        if (std::any_of(word.begin(), word.end(), is_digit)) return word;
        line.remove_prefix(std::min(word.size() + 1, line.size()));
    }
    return "-";
}

bool is_older_version(std::string_view left, std::string_view right) {
    while (!left.empty() && !right.empty()) {
        if (is_digit(left.front()) && is_digit(right.front())) {
            const uint64_t left_number = take_number(left);
            const uint64_t right_number = take_number(right);
            if (left_number != right_number) return left_number < right_number;
            continue;
        }
        if (left.front() != right.front()) return left.front() < right.front();
        left.remove_prefix(1);
        right.remove_prefix(1);
    }
    return left.size() < right.size();
}
