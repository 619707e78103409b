#include "jailer/landlock.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/unique_fd.hpp"

namespace {

// linux/landlock.h of Debian 12 is older than some of this.
constexpr uint32_t kCreateRulesetVersion = 1;

struct Ruleset {
    uint64_t handled_access_fs;
    uint64_t handled_access_net;  // from version 4 on
    uint64_t scoped;              // from version 6 on
};

// How many of the accesses to files, the lowest bits, each version of the interface knows.
constexpr std::array kFileAccesses{13U, 14U, 15U, 15U, 16U};
constexpr int kFirstWithNetwork = 4;
constexpr uint64_t kBindAndConnectTcp = 3;
constexpr int kFirstWithScopes = 6;
constexpr uint64_t kAbstractSockets = 1;  // LANDLOCK_SCOPE_*
constexpr uint64_t kSignals = 2;
// What a kernel has mended (LANDLOCK_CREATE_RULESET_ERRATA): before the second, threads of one
// process that entered their sandboxes each for itself could not signal each other.
constexpr uint32_t kCreateRulesetErrata = 2;
constexpr int kSignalsMended = 1 << 1;

int ask(uint32_t what) {
    return static_cast<int>(::syscall(SYS_landlock_create_ruleset, nullptr, 0, what));
}

uint64_t scopes() {
    const int errata = ask(kCreateRulesetErrata);
    const bool may_scope_signals = errata > 0 && (errata & kSignalsMended) != 0;
    return kAbstractSockets | (may_scope_signals ? kSignals : 0);
}

Ruleset everything(int version) {
    const size_t index = std::min(static_cast<size_t>(version), kFileAccesses.size()) - 1;
    return {.handled_access_fs = (uint64_t{1} << kFileAccesses[index]) - 1,
            .handled_access_net = version >= kFirstWithNetwork ? kBindAndConnectTcp : 0,
            .scoped = version >= kFirstWithScopes ? scopes() : 0};
}

// As much as `version` knows.
size_t size_of_ruleset(int version) {
    if (version >= kFirstWithScopes) return sizeof(Ruleset);
    return version >= kFirstWithNetwork ? offsetof(Ruleset, scoped)
                                        : offsetof(Ruleset, handled_access_net);
}

// Bits of LANDLOCK_ACCESS_FS_*: write and read a file, open a folder, remove a file (and so replace
// one), make a regular one, truncate, ioctl(2) of a device that was opened.
constexpr uint64_t kOpening = 1U << 1 | 1U << 2 | 1U << 3 | 1U << 5 | 1U << 8 | 1U << 14 | 1U << 15;

Result<> forbid_all_but(uint64_t allowed) {
    const int version = ask(kCreateRulesetVersion);
    if (version < 1) return Ok{};  // ENOSYS, or EOPNOTSUPP where it was not enabled at boot
    Ruleset rules = everything(version);
    rules.handled_access_fs &= ~allowed;
    const UniqueFd ruleset(static_cast<int>(
        ::syscall(SYS_landlock_create_ruleset, &rules, size_of_ruleset(version), 0)));
    if (!ruleset) return Error::from_errno("landlock_create_ruleset");
    if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0)
        return Error::from_errno("landlock_restrict_self");
    return Ok{};
}

}  // namespace

Result<> forbid_all_files() {
    return forbid_all_but(0);
}

Result<> forbid_all_but_opening() {
    return forbid_all_but(kOpening);
}
