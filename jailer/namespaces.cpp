#include "jailer/namespaces.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "base/unique_fd.hpp"
#include "jailer/files.hpp"

namespace {

// "INSIDE OUTSIDE 1": user_namespaces(7).
Result<> map_one(const char* path, unsigned inside, unsigned outside) {
    std::array<char, 64> line{};
    const int length = std::snprintf(line.data(), line.size(), "%u %u 1", inside, outside);
    return write_file(AT_FDCWD, path, {line.data(), static_cast<size_t>(length)});
}

}  // namespace

Result<> enter_user_namespace(const JailIds& ids) {
    const uid_t uid = ::geteuid();
    const gid_t gid = ::getegid();
    if (::unshare(CLONE_NEWUSER) != 0)
        return Error::from_errno(
            "unshare(CLONE_NEWUSER)",
            "without root a jail needs user namespaces; allow them or be root");
    TRY(write_file(AT_FDCWD, "/proc/self/setgroups", "deny"));
    TRY(map_one("/proc/self/uid_map", ids.uid, uid));
    return map_one("/proc/self/gid_map", ids.gid, gid);
}

Result<> enter_namespaces(Network network) {
    const int flags =
        CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | (network == Network::kEmpty ? CLONE_NEWNET : 0);
    if (::unshare(flags) != 0) return Error::from_errno("unshare", "a jail needs CAP_SYS_ADMIN");
    // Nothing that is mounted here is seen outside; what is mounted there in a jail's folder is
    // seen in the jail.
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0)
        return Error::from_errno("make mounts slaves");
    return Ok{};
}

Result<> join_network(const char* path) {
    const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
    if (!file) return Error::from_errno("--netns").about(path);
    if (::setns(file.get(), CLONE_NEWNET) != 0)
        return Error::from_errno("--netns", "name a network namespace, as under /run/netns")
            .about(path);
    return Ok{};
}
