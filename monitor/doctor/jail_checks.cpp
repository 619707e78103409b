// --jail and mayfly-jailer: namespaces, Landlock, cgroups.
#include <algorithm>

#include "jailer/cgroup.hpp"
#include "monitor/doctor/check.hpp"

namespace {

bool is(const Host& host, const char* path, uint64_t value) {
    const auto number = host.files.number(path);
    return number.ok() && number.value() == value;
}

// Why an ordinary user gets no user namespace; nullptr: nothing says so.
const char* user_namespaces_off(const Host& host) {
    if (is(host, "proc/sys/user/max_user_namespaces", 0)) return "user.max_user_namespaces is 0";
    if (is(host, "proc/sys/kernel/unprivileged_userns_clone", 0))
        return "kernel.unprivileged_userns_clone is 0";
    if (is(host, "proc/sys/kernel/apparmor_restrict_unprivileged_userns", 1))
        return "kernel.apparmor_restrict_unprivileged_userns is 1";
    return nullptr;
}

Finding user_namespaces(const Host& host) {
    const char* const off = user_namespaces_off(host);
    if (host.answers.user == 0)
        return fine(off == nullptr ? "users may make them"
                                   : joined({off, ", which root does without"}));
    if (host.answers.trial.user_namespace == 0) return fine("this user may make them");
    return warning(off == nullptr ? with_reason("unshare", host.answers.trial.user_namespace) : off,
                   "jails without root need them: allow them, or be root");
}

Finding namespaces(const Host& host) {
    const Trial& trial = host.answers.trial;
    if (trial.user_namespace != 0) return skipped("no user namespace to make them in");
    if (trial.namespaces == 0) return fine("mount, ipc, uts, network and process ones can be made");
    return warning(with_reason("unshare", trial.namespaces),
                   trial.namespaces == ENOSPC ? "raise user.max_net_namespaces and its like"
                                              : "a jail needs CAP_SYS_ADMIN, or user namespaces");
}

Finding landlock(const Host& host) {
    const int version = host.answers.landlock;
    if (version > 0) return fine(joined({"version ", std::to_string(version)}));
    if (version == -EOPNOTSUPP)
        return warning("not enabled at boot", "add landlock to the kernel's parameter lsm=");
    return warning(with_reason("landlock", -version),
                   "a kernel of 5.13 or newer with CONFIG_SECURITY_LANDLOCK");
}

Result<std::vector<CgroupMount>> mounts_of(const Host& host) {
    return parse_cgroup_mounts(TRY(host.files.text("proc/self/mounts")));
}

// Of version 2 and with these controllers, if a jail's limits can be there.
std::string controllers_of(const Host& host, const CgroupMount& mount) {
    if (mount.version != CgroupVersion::kV2) return {};
    const auto line = host.files.line(joined({mount.path, "/cgroup.controllers"}).c_str() + 1);
    return line.ok() && holds_word(line.value(), "memory") ? line.value() : std::string();
}

Finding cgroups(const Host& host) {
    const auto mounts = mounts_of(host);
    if (!mounts.ok()) return unreadable(mounts.error());
    bool has_first = false;
    for (const CgroupMount& mount : mounts.value()) {
        has_first |= std::ranges::find(mount.controllers, "memory") != mount.controllers.end();
        const std::string controllers = controllers_of(host, mount);
        if (controllers.empty()) continue;
        for (const char* const wanted : {"cpu", "io", "pids"})
            if (!holds_word(controllers, wanted))
                return warning(joined({"version 2 without ", wanted}),
                               "enable it in the kernel: cgroup_disable=, CONFIG_CGROUP_*");
        return fine(joined({"version 2: ", controllers}));
    }
    if (has_first)
        return warning("version 1",
                       "boot with systemd.unified_cgroup_hierarchy=1: version 2 has "
                       "better limits");
    return warning("no memory controller", "mount -t cgroup2 none /sys/fs/cgroup");
}

// The own cgroup's files are this user's where its hierarchy was handed down.
Finding delegation(const Host& host) {
    if (host.answers.user == 0) return fine("root makes cgroups where it likes");
    const auto text = host.files.text("proc/self/cgroup");
    const auto mounts = mounts_of(host);
    if (!text.ok() || !mounts.ok()) return unreadable(text.ok() ? mounts.error() : text.error());
    const auto own = value_of(text.value(), "0:");
    for (const CgroupMount& mount : mounts.value()) {
        if (mount.version != CgroupVersion::kV2 || !own.has_value()) continue;
        const std::string path = joined({mount.path, *own, "/cgroup.subtree_control"});
        if (host.files.may_write(path.c_str() + 1)) return fine(joined({"this user has ", *own}));
    }
    return warning("this user has no cgroup of its own",
                   "systemd-run --user -p Delegate=yes, or be root");
}

// What became an option in 6.0 was always so before.
Finding cgroup_moves(const Host& host) {
    const auto text = host.files.text("proc/self/mounts");
    if (!text.ok()) return unreadable(text.error());
    if (text.value().find("favordynmods") != std::string::npos) return fine("favordynmods");
    const std::string_view release = host.answers.release;
    if (release.starts_with("5.") || release.starts_with("4."))
        return fine("quick before Linux 6.0");
    if (parse_cgroup_mounts(text.value()).empty()) return skipped("no cgroups");
    return warning("joining a cgroup may wait 10 to 70 ms",
                   "mount -o remount,favordynmods /sys/fs/cgroup");
}

}  // namespace

Findings jail_findings(const Host& host) {
    Findings found;
    found.push_back({"namespaces", namespaces(host)});
    found.push_back({"user-namespaces", user_namespaces(host)});
    found.push_back({"landlock", landlock(host)});
    found.push_back({"cgroups", cgroups(host)});
    found.push_back({"delegation", delegation(host)});
    found.push_back({"cgroup-moves", cgroup_moves(host)});
    return found;
}
