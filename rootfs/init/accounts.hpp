// Who the program is: a user of the image's /etc/passwd and /etc/group (passwd(5), group(5)), or
// plain numbers.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <string_view>

struct Account {
    static constexpr size_t kMostGroups = 64;

    uid_t uid = 0;
    gid_t gid = 0;
    std::array<gid_t, kMostGroups> groups{};  // supplementary
    size_t group_count = 0;
    std::string_view home = "/";  // in the text of passwd
};

enum class AccountError { kNone, kNoSuchUser, kNoSuchGroup };

// Looks `wanted`, U[:G] with names or numbers, up in the texts of passwd and group. A number needs
// no entry; its group is then 0. With G the user has that group alone, else those that list it.
AccountError find_account(std::string_view wanted, std::string_view passwd, std::string_view group,
                          Account& account);
