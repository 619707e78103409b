// What a jail has on the host: its folder and its cgroups. Somebody removes them when the VM has
// ended: the caller, as with Firecracker's jailer, or a cleaner of ours. Main thread.
#pragma once

#include <span>
#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "jailer/cgroup.hpp"
#include "jailer/jail_options.hpp"

// Lets go of the mounts at these paths: what is one in the own namespace cannot be removed.
void detach(std::span<const std::string> mounts);

class Leftovers {
public:
    // Makes BASE/NAME/ID/root, of which all may be there already, and the cgroups, and keeps other
    // jailers away by the file BASE/NAME/ID.lock. No link is followed. A jail that is being cleaned
    // up is waited for, up to 10 s. Errors: its VM runs; somebody else may write on the way; as
    // mkdir(2); those of Cgroups::create(). Nothing is left then.
    static Result<Leftovers> make(const JailOptions& options, const std::string& program_name);

    // Makes the jail's root a mount in the mount namespace that was entered since, and opens it.
    // Errors: as open(2) and mount(2).
    Result<UniqueFd> mount_root() const;
    const Cgroups& cgroups() const { return cgroups_; }

    // kAll: the VM has ended. kOurOwn: the jail was never entered, and what the caller had put
    // there stays.
    using Extent = Cgroups::Extent;
    // And lets others have the jail. From any root: the folder is remembered by a descriptor.
    void remove(Extent extent) const;

    // For a jail that stays when the VM has ended: lets others have it, as soon as the program is
    // executed. From any root.
    void unlock() const;

    // Forks a process that waits for the end of the one behind the descriptor `process`
    // (pidfd_open(2)), then detaches `mounts` and removes all. Until then the jail is locked.
    // Errors: as fork(2).
    Result<> start_cleaner(UniqueFd process, std::span<const std::string> mounts) const;

private:
    Leftovers() = default;
    Result<> make_rest(const JailOptions& options, const std::string& folder,
                       const std::string& program_name);
    [[noreturn]] void clean_after(int process, std::span<const std::string> mounts) const;

    UniqueFd parent_;  // BASE/NAME
    std::string id_;
    UniqueFd lock_;  // also of the cleaner, but not of the VM
    std::string root_path_;
    UniqueFd root_;  // O_PATH
    bool made_folder_ = false;
    Cgroups cgroups_;
};
