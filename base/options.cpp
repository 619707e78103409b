#include "base/options.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

namespace {

// The flag that `argument` names, alone or before '='.
const Flag* find_flag(std::span<const Flag> flags, std::string_view argument) {
    const std::string_view name = argument.substr(0, argument.find('='));
    const auto found =
        std::ranges::find_if(flags, [&](const Flag& flag) { return name == flag.name; });
    return found == flags.end() ? nullptr : &*found;
}

// Digits at the start of `text`; returns what follows them.
Result<std::string_view> take_number(std::string_view text, uint64_t& number) {
    const auto [rest, error] = std::from_chars(text.begin(), text.end(), number);
    if (error == std::errc::result_out_of_range) return Error{"number", ERANGE, "is past 64 bits"};
    if (error != std::errc{}) return Error{"number", EINVAL, "write a decimal number"};
    return std::string_view(rest, text.end());
}

Result<uint64_t> unit_bytes(std::string_view unit) {
    if (unit == "K") return uint64_t{1} << 10;
    if (unit == "M") return uint64_t{1} << 20;
    if (unit == "G") return uint64_t{1} << 30;
    return Error{"size", EINVAL, "write a number and K, M or G, as in 128M"};
}

Result<uint64_t> unit_ms(std::string_view unit) {
    if (unit == "ms") return uint64_t{1};
    if (unit == "s") return uint64_t{1000};
    if (unit == "m") return uint64_t{60} * 1000;
    if (unit == "h") return uint64_t{60} * 60 * 1000;
    return Error{"duration", EINVAL, "write a number and ms, s, m or h, as in 5s"};
}

// `number` units of `unit`. Errors: ERANGE.
Result<uint64_t> multiply(const char* what, uint64_t number, uint64_t unit) {
    if (number > std::numeric_limits<uint64_t>::max() / unit)
        return Error{what, ERANGE, "is past 64 bits"};
    return number * unit;
}

}  // namespace

Result<Options> Options::parse(std::span<const Flag> flags,
                               std::span<const char* const> arguments) {
    Options options;
    for (size_t i = 0; i < arguments.size(); ++i) {
        const char* const argument = arguments[i];
        if (std::string_view(argument) == "--") {
            options.rest_ = arguments.subspan(i + 1);
            break;
        }
        if (argument[0] != '-')
            return Error{"argument", 0, "is not expected here; see --help"}.about(argument);
        const Flag* const flag = find_flag(flags, argument);
        if (flag == nullptr) return Error{"unknown flag", 0, "see --help"}.about(argument);
        if (flag->count == FlagCount::kOnce && options.has(flag->name))
            return Error{"flag", 0, "is given twice; give it once"}.about(flag->name);

        const char* const equals = std::strchr(argument, '=');
        const char* value = "";
        if (flag->value == FlagValue::kNone) {
            if (equals != nullptr) return Error{"flag", 0, "takes no value"}.about(flag->name);
        } else if (equals != nullptr) {
            value = equals + 1;
        } else if (flag->value == FlagValue::kOptional) {
            // It has none.
        } else if (i + 1 < arguments.size()) {
            value = arguments[++i];
        } else {
            return Error{"flag", 0, "needs a value; see --help"}.about(flag->name);
        }
        options.given_.push_back({flag, value});
    }
    return options;
}

const char* Options::get(std::string_view flag) const {
    const auto found =
        std::ranges::find_if(given_, [&](const Given& given) { return flag == given.flag->name; });
    return found == given_.end() ? nullptr : found->value;
}

std::vector<const char*> Options::all(std::string_view flag) const {
    std::vector<const char*> values;
    for (const Given& given : given_)
        if (flag == given.flag->name) values.push_back(given.value);
    return values;
}

Result<uint64_t> parse_size(const char* text) {
    uint64_t number = 0;
    const std::string_view unit = TRY(take_number(text, number));
    return multiply("size", number, TRY(unit_bytes(unit)));
}

Result<uint64_t> parse_duration_ms(const char* text) {
    uint64_t number = 0;
    const std::string_view unit = TRY(take_number(text, number));
    return multiply("duration", number, TRY(unit_ms(unit)));
}

Result<uint64_t> parse_number(const char* text, uint64_t least, uint64_t most) {
    uint64_t number = 0;
    if (!TRY(take_number(text, number)).empty())
        return Error{"number", EINVAL, "write a decimal number"};
    if (number < least || number > most) return Error{"number", ERANGE, "is out of range"};
    return number;
}
