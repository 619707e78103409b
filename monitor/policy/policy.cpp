#include "monitor/policy/policy.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "monitor/policy/names.hpp"

namespace {

constexpr std::string_view kBlanks = " \t\r";

std::string_view trim(std::string_view text) {
    const size_t first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// Cuts `text` at the first `separator` and returns what stands before it. `text` keeps what stands
// behind, and is empty where there is no separator.
std::string_view take_until(std::string_view& text, std::string_view separator) {
    const size_t at = text.find(separator);
    const std::string_view taken = text.substr(0, at);
    text = at == std::string_view::npos ? std::string_view() : text.substr(at + separator.size());
    return taken;
}

std::optional<uint64_t> parse_digits(std::string_view text) {
    const bool is_hex = text.starts_with("0x");
    if (is_hex) text.remove_prefix(2);
    const unsigned base = is_hex ? 16 : 10;
    if (text.empty()) return std::nullopt;
    uint64_t number = 0;
    for (const char c : text) {
        unsigned digit = base;
        if (c >= '0' && c <= '9') digit = static_cast<unsigned>(c - '0');
        if (c >= 'a' && c <= 'f') digit = static_cast<unsigned>(c - 'a') + 10;
        if (digit >= base || number > (UINT64_MAX - digit) / base) return std::nullopt;
        number = number * base + digit;
    }
    return number;
}

// A number or a name.
Result<uint64_t> parse_word(std::string_view word) {
    if (word.empty()) return Error{"value", EINVAL, "is missing"};
    if (word.front() >= '0' && word.front() <= '9') {
        const auto number = parse_digits(word);
        if (!number) return Error{"value", EINVAL, "is no number of 64 bits"};
        return *number;
    }
    const auto number = find_constant(word);
    if (!number) return Error{"value", EINVAL, "has a name that mayfly-policy does not know"};
    return *number;
}

// A|B|..., or ~(A|B|...).
Result<uint64_t> parse_value(std::string_view text) {
    text = trim(text);
    const bool is_complement = text.starts_with("~(") && text.ends_with(")");
    if (is_complement) text = text.substr(2, text.size() - 3);
    uint64_t value = TRY(parse_word(trim(text.substr(0, text.find('|')))));
    for (size_t at = text.find('|'); at != std::string_view::npos; at = text.find('|')) {
        text.remove_prefix(at + 1);
        value |= TRY(parse_word(trim(text.substr(0, text.find('|')))));
    }
    return is_complement ? ~value : value;
}

struct Sign {
    std::string_view text;
    Comparison comparison;
};

// Longer ones first: `<=` begins with `<`.
constexpr std::array kSigns = {
    Sign{"==", Comparison::kEqual},       Sign{"!=", Comparison::kNotEqual},
    Sign{"<=", Comparison::kLessOrEqual}, Sign{">=", Comparison::kGreaterOrEqual},
    Sign{"<", Comparison::kLess},         Sign{">", Comparison::kGreater},
};

// argN [& MASK] SIGN VALUE
Result<Condition> parse_condition(std::string_view text) {
    text = trim(text);
    constexpr std::string_view kArgument = "arg";
    constexpr char kLastArgument = '5';
    if (!text.starts_with(kArgument) || text.size() <= kArgument.size())
        return Error{"condition", EINVAL, "does not begin with arg0 to arg5"};
    const char digit = text[kArgument.size()];
    if (digit < '0' || digit > kLastArgument)
        return Error{"condition", EINVAL, "does not begin with arg0 to arg5"};
    text.remove_prefix(kArgument.size() + 1);

    const auto sign = std::ranges::find_if(
        kSigns, [text](const Sign& it) { return text.find(it.text) != std::string_view::npos; });
    if (sign == kSigns.end()) return Error{"condition", EINVAL, "has none of == != < <= > >="};
    std::string_view mask = trim(take_until(text, sign->text));
    Condition condition{.argument = static_cast<unsigned>(digit - '0'),
                        .mask = UINT64_MAX,
                        .comparison = sign->comparison,
                        .value = TRY(parse_value(text))};
    if (mask.empty()) return condition;
    if (mask.front() != '&') return Error{"condition", EINVAL, "is not argN [& MASK] SIGN VALUE"};
    if (condition.comparison != Comparison::kEqual)
        return Error{"condition", EINVAL, "compares a masked argument otherwise than with =="};
    condition.mask = TRY(parse_value(mask.substr(1)));
    return condition;
}

// CALL [CONDITION [and CONDITION]...] # REASON
Result<Rule> parse_rule(std::string_view text, unsigned line) {
    const size_t hash = text.find('#');
    if (hash == std::string_view::npos || trim(text.substr(hash + 1)).empty())
        return Error{"line", EINVAL, "gives no reason; put one behind a #"};
    text = trim(text.substr(0, hash));
    const size_t end = std::min(text.find_first_of(kBlanks), text.size());
    Rule rule{
        .call = std::string(text.substr(0, end)), .number = 0, .conditions = {}, .line = line};
    const auto number = find_system_call(rule.call);
    if (!number) return Error{"line", EINVAL, "names no system call of x86_64"};
    rule.number = *number;

    std::string_view conditions = trim(text.substr(end));
    while (!conditions.empty()) {
        const Condition condition = TRY(parse_condition(take_until(conditions, " and ")));
        // A rule of libseccomp can compare each argument once.
        for (const Condition& other : rule.conditions)
            if (other.argument == condition.argument)
                return Error{"line", EINVAL, "compares an argument twice"};
        rule.conditions.push_back(condition);
    }
    return rule;
}

Result<std::string> parse_heading(std::string_view text) {
    if (!text.ends_with(']')) return Error{"line", EINVAL, "begins with [ but does not end with ]"};
    const std::string_view name = trim(text.substr(1, text.size() - 2));
    const bool is_plain = std::ranges::all_of(
        name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
    if (name.empty() || name.size() > Policy::kMaxRoleName || !is_plain)
        return Error{"line", EINVAL, "names no role: 1 to 15 of a-z, 0-9 and -"};
    return std::string(name);
}

void append(RolePolicy& to, const RolePolicy& from) {
    to.rules.insert(to.rules.end(), from.rules.begin(), from.rules.end());
}

}  // namespace

Result<> Policy::add(std::string_view text) {
    std::vector<RolePolicy> sections;
    unsigned line = 0;
    while (!text.empty()) {
        ++line;
        const std::string_view content = trim(take_until(text, "\n"));
        const auto at_line = [line](Error error) {
            error.what = "line";
            error.code = 0;
            error.value = line;
            return error;
        };
        if (content.empty() || content.front() == '#') continue;
        if (content.front() == '[') {
            auto heading = parse_heading(content);
            if (!heading.ok()) return at_line(heading.error());
            sections.push_back({.name = std::move(heading).value(), .rules = {}});
            continue;
        }
        if (sections.empty()) return at_line({"line", EINVAL, "stands before the first [role]"});
        auto rule = parse_rule(content, line);
        if (!rule.ok()) return at_line(rule.error());
        sections.back().rules.push_back(std::move(rule).value());
    }
    sections_.insert(sections_.end(), sections.begin(), sections.end());
    return Ok{};
}

std::vector<RolePolicy> Policy::roles() const {
    std::vector<RolePolicy> roles;
    RolePolicy all;
    for (const RolePolicy& section : sections_) {
        if (section.name == kAllRoles) {
            append(all, section);
            continue;
        }
        const auto found = std::ranges::find(roles, section.name, &RolePolicy::name);
        if (found == roles.end())
            roles.push_back(section);
        else
            append(*found, section);
    }
    for (RolePolicy& role : roles) append(role, all);
    return roles;
}
