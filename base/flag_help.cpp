#include "base/flag_help.hpp"

#include <string_view>

namespace {

constexpr size_t kIndent = 2;
constexpr size_t kMeaningAt = 80 - kMeaningColumns;

}  // namespace

std::string flag_form(const Flag& flag) {
    std::string form;
    if (flag.alias != nullptr) form.append(flag.alias).append(", ");
    form += flag.name;
    if (flag.value == FlagValue::kRequired) form.append(" ").append(flag.placeholder);
    if (flag.value == FlagValue::kOptional) form.append("[=").append(flag.placeholder).append("]");
    return form;
}

void append_flags(std::string& page, std::span<const Flag> flags, uint8_t commands, uint8_t group) {
    for (const Flag& flag : flags) {
        if ((flag.commands & commands) == 0 || flag.group != group) continue;
        const std::string form = flag_form(flag);
        page.append(kIndent, ' ').append(form);
        // A long one has its line to itself.
        size_t column = kIndent + form.size() + 2;
        if (column > kMeaningAt) page += '\n';
        column = column > kMeaningAt ? 0 : column - 2;
        for (std::string_view rest = flag.meaning; !rest.empty(); column = 0) {
            const size_t end = rest.find('\n');
            page.append(kMeaningAt - column, ' ').append(rest.substr(0, end)).append("\n");
            rest = end == rest.npos ? std::string_view{} : rest.substr(end + 1);
        }
    }
}
