#include "monitor/process/jail_option.hpp"

#include <string>
#include <string_view>

#include "base/options.hpp"

Result<Jail> parse_jail(const char* text) {
    constexpr const char* kFlag = "--jail";
    // The last two stand for "none" in the kernel.
    constexpr uint64_t kMostId = UINT32_MAX - 2;
    const std::string_view view = text;
    if (view.empty()) return Jail{};
    const size_t colon = view.find(':');
    if (colon == std::string_view::npos) return Error{text, 0, "is not UID:GID"}.about(kFlag);
    const std::string uid(view.substr(0, colon));
    const auto id = [&](const char* part) {
        return named(kFlag, text, parse_number(part, 0, kMostId));
    };
    return Jail{JailIds{static_cast<uid_t>(TRY(id(uid.c_str()))),
                        static_cast<gid_t>(TRY(id(text + colon + 1)))}};
}
