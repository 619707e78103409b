// The command line of mayfly-jailer: that of Firecracker's jailer (Firecracker's docs/jailer.md),
// and what is ours. Main thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/called_as.hpp"
#include "base/options.hpp"
#include "base/result.hpp"
#include "jailer/cgroup.hpp"
#include "jailer/namespaces.hpp"
#include "jailer/privileges.hpp"
#include "jailer/root.hpp"

struct JailOptions {
    std::string id;         // 1 to 64 letters, digits and '-'
    std::string exec_file;  // a path without ".."
    JailIds ids{};
    std::string base = "/srv/jailer";
    const char* netns = nullptr;  // nullptr: none given
    bool daemonize = false;
    bool new_pid_ns = false;
    bool cleanup = false;        // ours: the jail's folder and cgroups go when the VM has ended
    bool keeps_network = false;  // ours: the caller's, for TAPs by name
    std::vector<CgroupSetting> cgroups;
    std::optional<CgroupVersion> cgroup_version;  // none: found
    std::string parent_cgroup;                    // empty: the name of exec_file
    std::vector<ResourceLimit> limits;
    std::vector<Bind> binds;                 // ours
    std::vector<int> kept_fds;               // ours: open in the monitor too
    std::span<const char* const> arguments;  // the monitor's own
    Asked asked = Asked::kNothing;

    // Firecracker's jailer keeps the caller's network where no other is named; so does ours under
    // that one's name. Errors name the flag at fault, and the remedy.
    static Result<JailOptions> parse(std::span<const char* const> arguments,
                                     CalledAs called = CalledAs::kItself);
};
