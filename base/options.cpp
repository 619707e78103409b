#include "base/options.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>

namespace {

// What `argument` names: all of it, or what is before '='.
std::string_view name_in(std::string_view argument) {
    return argument.substr(0, argument.find('='));
}

// Those of one command, or several.
class KnownFlags {
public:
    KnownFlags(std::span<const Flag> flags, uint8_t commands)
        : flags_(flags), commands_(commands) {}

    const Flag* find(std::string_view name) const {
        const auto found = std::ranges::find_if(flags_, [&](const Flag& flag) {
            return takes(flag) &&
                   (name == flag.name || (flag.alias != nullptr && name == flag.alias));
        });
        return found == flags_.end() ? nullptr : &*found;
    }

    // The flag that may have been meant by `name`; nullptr where none is like it.
    const char* nearest(std::string_view name) const {
        constexpr size_t kMostEdits = 2;
        const char* nearest = nullptr;
        size_t least = kMostEdits + 1;
        for (const Flag& flag : flags_) {
            if (!takes(flag)) continue;
            const size_t edits = distance(name, flag.name);
            if (edits >= least) continue;
            least = edits;
            nearest = flag.name;
        }
        return nearest;
    }

private:
    bool takes(const Flag& flag) const { return (flag.commands & commands_) != 0; }

    // How many letters are to be put in, taken out or exchanged (Levenshtein's distance). A flag
    // that was only begun is one away.
    static size_t distance(std::string_view name, std::string_view flag) {
        constexpr size_t kShortestBeginning = 4;
        if (name.size() >= kShortestBeginning && flag.starts_with(name)) return 1;
        std::vector<size_t> row(flag.size() + 1);
        std::iota(row.begin(), row.end(), size_t{0});
        for (size_t i = 0; i < name.size(); ++i) {
            size_t diagonal = std::exchange(row[0], i + 1);
            for (size_t j = 0; j < flag.size(); ++j) {
                const size_t exchanged = diagonal + (name[i] == flag[j] ? 0 : 1);
                diagonal = row[j + 1];
                row[j + 1] = std::min({exchanged, diagonal + 1, row[j] + 1});
            }
        }
        return row.back();
    }

    std::span<const Flag> flags_;
    uint8_t commands_;
};

Error unknown(const char* argument, const char* nearest) {
    if (nearest == nullptr) return Error{"unknown flag", 0, "see --help"}.about(argument);
    return Error{"unknown flag; the nearest is", 0, nearest}.about(argument);
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

Result<Options> Options::parse(std::span<const Flag> flags, std::span<const char* const> arguments,
                               uint8_t commands) {
    const KnownFlags known(flags, commands);
    Options options;
    for (size_t i = 0; i < arguments.size(); ++i) {
        const char* const argument = arguments[i];
        if (std::string_view(argument) == "--") {
            options.rest_ = arguments.subspan(i + 1);
            break;
        }
        if (argument[0] != '-')
            return Error{"argument", 0, "is not expected here; see --help"}.about(argument);
        const Flag* const flag = known.find(name_in(argument));
        if (flag == nullptr) return unknown(argument, known.nearest(name_in(argument)));
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

Asked asked_by_word(std::span<const char* const> arguments) {
    const std::string_view word = arguments.empty() ? "" : arguments.front();
    if (word == "help" || word == "-h" || word == "--help") return Asked::kHelp;
    if (word == "version" || word == "-V" || word == "--version") return Asked::kVersion;
    return Asked::kNothing;
}

Asked asked_by_flag(const Options& options) {
    if (options.has("--help")) return Asked::kHelp;
    return options.has("--version") ? Asked::kVersion : Asked::kNothing;
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
