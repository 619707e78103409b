// A jail's cgroups (cgroups(7)), version 1 or 2. Main thread; of the jailer.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

// A file of a cgroup and what to write to it: "cpu.max=50000 100000".
struct CgroupSetting {
    std::string file;
    std::string value;

    // What stands before the first dot.
    std::string controller() const { return file.substr(0, file.find('.')); }
};

enum class CgroupVersion { kV1, kV2 };

// A hierarchy that is mounted here.
struct CgroupMount {
    CgroupVersion version;
    std::string path;
    std::vector<std::string> controllers;
};

// Those in the text of /proc/self/mounts. Of version 2 without its controllers, which a file tells.
std::vector<CgroupMount> parse_cgroup_mounts(const std::string& mounts);

class Cgroups {
public:
    // Makes the cgroup PARENT/ID in every hierarchy that `settings` need, of `version` if given,
    // else of the one that has all their controllers, or takes one that a VM before this left
    // there, and writes the settings. Without settings, and of version 2, it is the cgroup PARENT,
    // if that is there. Errors about the setting at fault, also that somebody is in it; nothing is
    // left then that was not there.
    static Result<Cgroups> create(std::span<const CgroupSetting> settings,
                                  std::optional<CgroupVersion> version, const std::string& parent,
                                  const std::string& id);

    // Moves the calling process there, from whatever root. Errors: as write(2) to cgroup.procs.
    Result<> join() const;

    enum class Extent { kAll, kOurOwn };
    // Removes the cgroups, or those that were made here, from whatever root, and kills first what
    // may still be in them. Their parent, which another jail may be about to use, stays.
    void remove(Extent extent) const;

    // What the above need open.
    std::vector<int> descriptors() const;

private:
    Result<> take_callers(const std::string& cgroup);
    Result<> make_folders(const std::string& mount, CgroupVersion version,
                          const std::string& parent);
    Result<> configure(const std::vector<CgroupMount>& mounts, const CgroupSetting& setting,
                       CgroupVersion version, const std::string& parent);

    // In one hierarchy. By descriptors: later there is another root.
    struct Place {
        std::string path;
        UniqueFd parent;     // none: it is the caller's own, and stays
        UniqueFd processes;  // cgroup.procs
        bool is_ours;
    };
    std::string id_;
    std::vector<Place> places_;
};
