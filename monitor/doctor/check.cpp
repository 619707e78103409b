#include "monitor/doctor/check.hpp"

#include <array>

Finding unreadable(const Error& error) {
    return skipped(with_reason(joined({"/", error.subject()}).c_str(), error.code));
}

std::string with_reason(const char* what, int code) {
    std::array<char, 256> line{};
    return {line.data(), format_error(Error{what, code}, line)};
}

std::string joined(std::initializer_list<std::string_view> parts) {
    std::string text;
    for (const std::string_view part : parts) text.append(part);
    return text;
}
