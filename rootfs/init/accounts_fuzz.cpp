// The bytes are who is wanted, passwd and group, with 0xff between them. Whatever stands there: who
// is found has a home in passwd's text, no more groups than there is room for, and a number names
// itself.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "rootfs/init/accounts.hpp"
#include "rootfs/init/words.hpp"

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string text(data, data + size);
    std::string_view rest(text);
    const std::string_view wanted = take_word(rest, "\xff");
    const std::string_view passwd = take_word(rest, "\xff");
    Account account;
    const AccountError error = find_account(wanted, passwd, rest, account);
    check(account.group_count <= Account::kMostGroups);
    const bool is_of_passwd =
        account.home.data() >= passwd.data() &&
        account.home.data() + account.home.size() <= passwd.data() + passwd.size();
    check(account.home == "/" || is_of_passwd);
    if (error != AccountError::kNone) return 0;
    std::string_view group = wanted;
    const auto uid = parse_number(take_word(group, ":"));
    check(!uid || account.uid == *uid || is_of_passwd);
    if (wanted.find(':') != std::string_view::npos) check(account.group_count == 0);
    if (passwd.empty()) check(uid && account.uid == *uid && account.group_count == 0);
    return 0;
}
