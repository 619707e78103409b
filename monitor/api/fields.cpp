#include "monitor/api/fields.hpp"

Result<std::string> required_id(JsonFields& fields, const char* name) {
    std::string id = TRY(fields.required_text(name));
    if (!is_id(id)) return Error{name, 0, "takes letters, digits, '-', '_' and '.'"};
    return id;
}

Result<std::optional<std::string>> parse_path(JsonFields& fields, const char* name) {
    auto path = TRY(fields.text(name));
    if (path.has_value() && path->empty()) return Error{name, 0, "is empty"};
    return path;
}

Result<std::string> required_path(JsonFields& fields, const char* name) {
    auto path = TRY(parse_path(fields, name));
    if (!path.has_value()) return Error{name, 0, "is missing"};
    return std::move(*path);
}

bool is_word(std::string_view text, std::string_view word, LetterCase letters) {
    const auto folded = [letters](char c) {
        const bool is_capital = c >= 'A' && c <= 'Z';
        return letters == LetterCase::kIgnored && is_capital ? static_cast<char>(c | 0x20) : c;
    };
    return std::ranges::equal(text, word, {}, folded, folded);
}
