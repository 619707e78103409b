#include "jailer/privileges.hpp"

#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

namespace {

// The kernel knows more capabilities than our headers, and ends the loop by EINVAL.
Result<> empty_bounding_set() {
    constexpr int kMost = 64;
    for (int capability = 0; capability < kMost; ++capability) {
        if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
        if (errno == EINVAL) break;
        return Error::from_errno("prctl(PR_CAPBSET_DROP)");
    }
    return Ok{};
}

Result<> drop_capabilities() {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    const std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none{};
    if (::syscall(SYS_capset, &header, none.data()) != 0) return Error::from_errno("capset");
    return Ok{};
}

}  // namespace

Result<> set_limits(std::span<const ResourceLimit> limits) {
    for (const ResourceLimit& limit : limits) {
        const rlimit both{limit.value, limit.value};
        if (::setrlimit(limit.resource, &both) != 0)
            return Error::from_errno("setrlimit", "only root may raise a limit");
    }
    return Ok{};
}

Result<> leave_session_keyring() {
    if (::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) >= 0) return Ok{};
    // No keys in this kernel, or a filter (a container engine's) that the program inherits.
    if (errno == ENOSYS || errno == EPERM || errno == EACCES) return Ok{};
    return Error::from_errno("keyctl(KEYCTL_JOIN_SESSION_KEYRING)", "raise kernel.keys.maxkeys");
}

Result<> drop_privileges(const JailIds& ids, Groups groups) {
    TRY(empty_bounding_set());
    if (groups == Groups::kDrop && ::setgroups(0, nullptr) != 0)
        return Error::from_errno("setgroups");
    if (::setresgid(ids.gid, ids.gid, ids.gid) != 0) return Error::from_errno("setresgid");
    if (::setresuid(ids.uid, ids.uid, ids.uid) != 0) return Error::from_errno("setresuid");
    TRY(drop_capabilities());
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return Error::from_errno("prctl(PR_SET_NO_NEW_PRIVS)");
    return Ok{};
}
