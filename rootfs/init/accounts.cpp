#include "rootfs/init/accounts.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace {

std::optional<uint32_t> number(std::string_view text) {
    uint32_t value = 0;
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value);
    if (text.empty() || parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
    return value;
}

// Takes what comes before the first `separator` off the front of `text`; all of it where there is
// none.
std::string_view take(std::string_view& text, char separator) {
    const size_t size = std::min(text.find(separator), text.size());
    const std::string_view taken = text.substr(0, size);
    text.remove_prefix(std::min(size + 1, text.size()));
    return taken;
}

bool lists(std::string_view members, std::string_view name) {
    while (!members.empty())
        if (take(members, ',') == name) return true;
    return false;
}

// name:password:uid:gid:comment:home:shell. `name` becomes that of the entry found.
bool find_user(std::string_view wanted, std::string_view passwd, std::string_view& name,
               Account& account) {
    const std::optional<uint32_t> wanted_uid = number(wanted);
    while (!passwd.empty()) {
        std::string_view line = take(passwd, '\n');
        const std::string_view entry = take(line, ':');
        take(line, ':');
        const std::optional<uint32_t> uid = number(take(line, ':'));
        const std::optional<uint32_t> gid = number(take(line, ':'));
        if (!uid || !gid || (entry != wanted && uid != wanted_uid)) continue;
        take(line, ':');
        account.uid = *uid;
        account.gid = *gid;
        account.home = take(line, ':');
        name = entry;
        return true;
    }
    if (!wanted_uid) return false;
    account.uid = *wanted_uid;
    return true;
}

// name:password:gid:members
bool find_group(std::string_view wanted, std::string_view group, Account& account) {
    while (!group.empty()) {
        std::string_view line = take(group, '\n');
        const std::string_view entry = take(line, ':');
        take(line, ':');
        const std::optional<uint32_t> gid = number(take(line, ':'));
        if (!gid || entry != wanted) continue;
        account.gid = *gid;
        return true;
    }
    const std::optional<uint32_t> gid = number(wanted);
    if (gid) account.gid = *gid;
    return gid.has_value();
}

void find_memberships(std::string_view name, std::string_view group, Account& account) {
    while (!group.empty() && account.group_count < Account::kMostGroups) {
        std::string_view line = take(group, '\n');
        take(line, ':');
        take(line, ':');
        const std::optional<uint32_t> gid = number(take(line, ':'));
        if (gid && lists(line, name)) account.groups[account.group_count++] = *gid;
    }
}

}  // namespace

AccountError find_account(std::string_view wanted, std::string_view passwd, std::string_view group,
                          Account& account) {
    const size_t colon = wanted.find(':');
    const std::string_view user = wanted.substr(0, colon);
    std::string_view name;
    if (!find_user(user, passwd, name, account)) return AccountError::kNoSuchUser;
    if (colon != std::string_view::npos)
        return find_group(wanted.substr(colon + 1), group, account) ? AccountError::kNone
                                                                    : AccountError::kNoSuchGroup;
    if (!name.empty()) find_memberships(name, group, account);
    return AccountError::kNone;
}
