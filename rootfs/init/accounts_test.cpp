#include "rootfs/init/accounts.hpp"

#include <gtest/gtest.h>

namespace {

constexpr std::string_view kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "broken line\n"
    "bob:x:1000:1001:Bob,,,:/home/bob:/bin/sh\n"
    "last:x:7:8::/l:";
constexpr std::string_view kGroup =
    "root:x:0:\n"
    "staff:x:50:alice,bob\n"
    "bobs:x:1001:\n"
    "docker:x:60:bob\n"
    "bo:x:61:bobby,bo\n";

Account account_of(std::string_view wanted, AccountError error = AccountError::kNone) {
    Account account;
    EXPECT_EQ(find_account(wanted, kPasswd, kGroup, account), error) << wanted;
    return account;
}

TEST(Accounts, AUserHasAHomeAndGroups) {
    const Account bob = account_of("bob");
    EXPECT_EQ(bob.uid, 1000U);
    EXPECT_EQ(bob.gid, 1001U);
    EXPECT_EQ(bob.home, "/home/bob");
    ASSERT_EQ(bob.group_count, 2U);
    EXPECT_EQ(bob.groups[0], 50U);
    EXPECT_EQ(bob.groups[1], 60U);
    EXPECT_EQ(account_of("1000").gid, 1001U);
    EXPECT_EQ(account_of("last").home, "/l");
}

TEST(Accounts, ANumberNeedsNoEntry) {
    const Account nobody = account_of("65534");
    EXPECT_EQ(nobody.uid, 65534U);
    EXPECT_EQ(nobody.gid, 0U);
    EXPECT_EQ(nobody.home, "/");
    EXPECT_EQ(nobody.group_count, 0U);
}

TEST(Accounts, AGroupStandsAlone) {
    const Account bob = account_of("bob:staff");
    EXPECT_EQ(bob.gid, 50U);
    EXPECT_EQ(bob.group_count, 0U);
    EXPECT_EQ(account_of("5:6").gid, 6U);
    EXPECT_EQ(account_of("0:0").uid, 0U);
}

TEST(Accounts, NamesThatAreNotThereAreErrors) {
    account_of("carol", AccountError::kNoSuchUser);
    account_of("", AccountError::kNoSuchUser);
    account_of("-1", AccountError::kNoSuchUser);
    account_of("4294967296", AccountError::kNoSuchUser);
    account_of("bob:nobodies", AccountError::kNoSuchGroup);
    account_of("bob:", AccountError::kNoSuchGroup);
    Account account;
    EXPECT_EQ(find_account("root", "", "", account), AccountError::kNoSuchUser);
    EXPECT_EQ(find_account("0", "", "", account), AccountError::kNone);
}

}  // namespace
