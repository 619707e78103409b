#include "jailer/landlock.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/unique_fd.hpp"

namespace {

// linux/landlock.h of Debian 12 is older than some of this.
constexpr uint32_t kCreateRulesetVersion = 1;

struct Ruleset {
    uint64_t handled_access_fs;
    uint64_t handled_access_net;  // from version 4 on
};

// How many of the accesses to files, the lowest bits, each version of the interface knows.
constexpr std::array kFileAccesses{13U, 14U, 15U, 15U, 16U};
constexpr int kFirstWithNetwork = 4;
constexpr uint64_t kBindAndConnectTcp = 3;

Ruleset everything(int version) {
    const size_t index = std::min(static_cast<size_t>(version), kFileAccesses.size()) - 1;
    return {.handled_access_fs = (uint64_t{1} << kFileAccesses[index]) - 1,
            .handled_access_net = version >= kFirstWithNetwork ? kBindAndConnectTcp : 0};
}

}  // namespace

Result<> forbid_all_files() {
    const auto version =
        static_cast<int>(::syscall(SYS_landlock_create_ruleset, nullptr, 0, kCreateRulesetVersion));
    if (version < 1) return Ok{};  // ENOSYS, or EOPNOTSUPP where it was not enabled at boot
    const Ruleset rules = everything(version);
    const size_t size =
        version >= kFirstWithNetwork ? sizeof(rules) : sizeof(rules.handled_access_fs);
    const UniqueFd ruleset(
        static_cast<int>(::syscall(SYS_landlock_create_ruleset, &rules, size, 0)));
    if (!ruleset) return Error::from_errno("landlock_create_ruleset");
    if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0)
        return Error::from_errno("landlock_restrict_self");
    return Ok{};
}
