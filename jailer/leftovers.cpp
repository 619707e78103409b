#include "jailer/leftovers.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "jailer/files.hpp"

namespace {

// mkdir -p.
Result<> make_folders(const std::string& path) {
    for (size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
        const std::string part = path.substr(0, at);
        if (::mkdir(part.c_str(), 0755) != 0 && errno != EEXIST)
            return Error::from_errno("mkdir", "name a folder that may be written");
        if (at == std::string::npos) return Ok{};
    }
}

}  // namespace

void detach(std::span<const std::string> mounts) {
    for (const std::string& mount : mounts) ::umount2(mount.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
}

Result<Leftovers> Leftovers::make(const JailOptions& options, const std::string& program_name) {
    Leftovers jail;
    const std::string parent = options.base + "/" + program_name;
    const char* const flag = "--chroot-base-dir";
    if (const auto made = make_folders(parent); !made.ok()) return made.error().about(flag);
    jail.parent_ = UniqueFd(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!jail.parent_) return Error::from_errno("open").about(flag);
    jail.id_ = options.id;
    jail.root_ = parent + "/" + options.id + "/root";
    jail.made_folder_ = ::mkdirat(jail.parent_.get(), options.id.c_str(), 0755) == 0;
    if (!jail.made_folder_ && errno != EEXIST) return Error::from_errno("mkdir").about(flag);
    if (::mkdir(jail.root_.c_str(), 0700) != 0 && errno != EEXIST) {
        const Error error = Error::from_errno("mkdir").about(flag);
        jail.remove(Extent::kOurOwn);
        return error;
    }
    auto cgroups = Cgroups::create(
        options.cgroups, options.cgroup_version,
        options.parent_cgroup.empty() ? program_name : options.parent_cgroup, options.id);
    if (!cgroups.ok()) {
        jail.remove(Extent::kOurOwn);
        return cgroups.error();
    }
    jail.cgroups_ = std::move(cgroups).value();
    return jail;
}

void Leftovers::remove(Extent extent) const {
    if (extent == Extent::kAll || made_folder_) remove_tree(parent_.get(), id_.c_str());
    cgroups_.remove();
}

Result<> Leftovers::start_cleaner(UniqueFd process, std::span<const std::string> mounts) const {
    const pid_t cleaner = ::fork();
    if (cleaner < 0) return Error::from_errno("fork").about("--cleanup");
    if (cleaner == 0) clean_after(process.get(), mounts);
    return Ok{};
}

// It outlives whoever waits for the VM, and so holds nothing of the caller's: no terminal, no pipe.
void Leftovers::clean_after(int process, std::span<const std::string> mounts) const {
    ::setsid();
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    std::vector<int> kept = cgroups_.descriptors();
    kept.push_back(parent_.get());
    kept.push_back(process);
    static_cast<void>(close_all_but(std::move(kept)).ok());  // it works as well with them
    pollfd end{process, POLLIN, 0};
    while (::poll(&end, 1, -1) < 0 && errno == EINTR) {
    }
    detach(mounts);
    remove(Extent::kAll);
    ::_exit(0);
}
