#include "monitor/image/environment.hpp"

#include <fcntl.h>

#include <algorithm>

#include "base/read_all.hpp"
#include "base/unique_fd.hpp"

namespace {

constexpr const char* kVariable = "--env";
constexpr const char* kFile = "--env-file";
constexpr std::string_view kBlanks = " \t\v\f\r";
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// Up to `end`, which goes too.
std::string_view take_until(std::string_view& text, char end) {
    const size_t at = text.find(end);
    const std::string_view taken = text.substr(0, at);
    text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
    return taken;
}

// NAME=VALUE of a variable that is only named. Empty: it is not set.
std::string look_up(std::string_view name, FindVariable find) {
    const std::string key(name);
    const char* const value = find(key.c_str());
    return value == nullptr ? std::string() : key + "=" + value;
}

Error not_set(const char* flag) {
    return {flag, 0, "is not set in this environment; set it, or give NAME=VALUE"};
}

}  // namespace

Result<std::string> resolve_variable(std::string_view setting, FindVariable find) {
    if (setting.empty() || setting.front() == '=')
        return Error{kVariable, 0, "is neither NAME=VALUE nor NAME"}.about(setting);
    if (setting.find('=') != std::string_view::npos) return std::string(setting);
    std::string variable = look_up(setting, find);
    if (variable.empty()) return not_set(kVariable).about(setting);
    return variable;
}

Result<> parse_environment(std::string_view name, std::string_view text, FindVariable find,
                           std::vector<std::string>& variables) {
    if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    for (size_t number = 1; !text.empty(); ++number) {
        std::string_view line = take_until(text, '\n');
        if (line.ends_with('\r')) line.remove_suffix(1);
        line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
        if (line.empty() || line.front() == '#') continue;
        const std::string where = std::string(name) + ":" + std::to_string(number);
        const std::string_view key = line.substr(0, line.find('='));
        // The settings for the guest's init are records that end with one.
        if (line.find('\0') != std::string_view::npos)
            return Error{kFile, 0, "has a byte 0 in this line"}.about(where);
        if (key.empty() || key.find_first_of(kBlanks) != std::string_view::npos)
            return Error{kFile, 0, "has no name without blanks in this line"}.about(where);
        std::string variable = key == line ? look_up(key, find) : std::string(line);
        if (variable.empty()) return not_set(kFile).about(where);  // it may be the rest of a value
        variables.push_back(std::move(variable));
    }
    return Ok{};
}

Result<> read_environment(const std::string& path, FindVariable find,
                          std::vector<std::string>& variables) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return Error::from_errno(kFile).about(path);
    const auto text = read_all(fd.get());
    if (!text.ok()) return text.error().about(path);
    return parse_environment(path, text.value(), find, variables);
}
