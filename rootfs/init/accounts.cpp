#include "rootfs/init/accounts.hpp"

#include <optional>

#include "rootfs/init/words.hpp"

namespace {

bool lists(std::string_view members, std::string_view name) {
    while (!members.empty())
        if (take_word(members, ",") == name) return true;
    return false;
}

// name:password:uid:gid:comment:home:shell. `name` becomes that of the entry found.
bool find_user(std::string_view wanted, std::string_view passwd, std::string_view& name,
               Account& account) {
    const std::optional<uint32_t> wanted_uid = parse_number(wanted);
    while (!passwd.empty()) {
        std::string_view line = take_word(passwd, "\n");
        const std::string_view entry = take_word(line, ":");
        take_word(line, ":");
        const std::optional<uint32_t> uid = parse_number(take_word(line, ":"));
        const std::optional<uint32_t> gid = parse_number(take_word(line, ":"));
        if (!uid || !gid || (entry != wanted && uid != wanted_uid)) continue;
        take_word(line, ":");
        account.uid = *uid;
        account.gid = *gid;
        account.home = take_word(line, ":");
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
        std::string_view line = take_word(group, "\n");
        const std::string_view entry = take_word(line, ":");
        take_word(line, ":");
        const std::optional<uint32_t> gid = parse_number(take_word(line, ":"));
        if (!gid || entry != wanted) continue;
        account.gid = *gid;
        return true;
    }
    const std::optional<uint32_t> gid = parse_number(wanted);
    if (gid) account.gid = *gid;
    return gid.has_value();
}

void find_memberships(std::string_view name, std::string_view group, Account& account) {
    while (!group.empty() && account.group_count < Account::kMostGroups) {
        std::string_view line = take_word(group, "\n");
        take_word(line, ":");
        take_word(line, ":");
        const std::optional<uint32_t> gid = parse_number(take_word(line, ":"));
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
