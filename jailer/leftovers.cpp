#include "jailer/leftovers.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>

#include "base/lock_file.hpp"
#include "base/record_lock.hpp"
#include "base/trusted_folder.hpp"
#include "base/while_busy.hpp"
#include "jailer/files.hpp"

namespace {

// The error of `flag`, whose folder it names.
Error of_base(const Error& error) {
    return Error{"--chroot-base-dir", error.code, error.hint}.about(error.subject());
}

// Of a jail's lock. That on kLife goes when the VM has ended, that on kJail when its jail is gone.
constexpr ByteRange kLife{0, 1};
constexpr ByteRange kJail{1, 1};

int lock_jail(int fd) {
    // In intervals of 5 ms. A VM has ended before its cleaner knows; and a folder may hold much.
    constexpr int kNotices = 200;
    constexpr int kCleansUp = 2000;
    const auto lock = [fd](ByteRange range, int attempts) {
        return while_busy([&] { return set_record_lock(fd, RecordLock::kWrite, range); }, EAGAIN,
                          attempts);
    };
    const int failed = lock(kLife, kNotices);
    return failed != 0 ? failed : lock(kJail, kCleansUp);
}

std::string lock_name(const std::string& id) {
    return id + ".lock";  // no id has a dot
}

// The jail's root in its folder. Beneath us only its own user may have written there, in a jail
// before this one.
Result<UniqueFd> make_root(int folder, const JailIds& ids) {
    constexpr const char* kRoot = "root";
    if (::mkdirat(folder, kRoot, 0700) != 0 && errno != EEXIST) return Error::from_errno("mkdir");
    UniqueFd root(::openat(folder, kRoot, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat status {};
    if (!root || ::fstat(root.get(), &status) != 0) return Error::from_errno("open");
    const bool is_known =
        status.st_uid == 0 || status.st_uid == ::geteuid() || status.st_uid == ids.uid;
    if (!is_known || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return Error{"root", EPERM, "others may write in the jail's root; remove it"};
    return root;
}

}  // namespace

void detach(std::span<const std::string> mounts) {
    for (const std::string& mount : mounts) ::umount2(mount.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
}

Result<Leftovers> Leftovers::make(const JailOptions& options, const std::string& program_name) {
    Leftovers jail;
    const std::string parent = options.base + "/" + program_name;
    auto made = make_trusted_folder(options.base);
    if (made.ok()) made = make_trusted_folder(parent);
    if (!made.ok()) return of_base(made.error());
    jail.parent_ = std::move(made).value();
    jail.id_ = options.id;
    auto lock = take_lock_file(jail.parent_.get(), lock_name(options.id).c_str(), lock_jail);
    if (!lock.ok()) {
        const int code = lock.error().code;
        if (code == EAGAIN)
            return Error{"--id", 0, "a VM runs in this jail; end it or give another id"}.about(
                options.id);
        return of_base(Error{"lock file", code}.about(parent + "/" + lock_name(options.id)));
    }
    jail.lock_ = std::move(lock).value();
    jail.made_folder_ = ::mkdirat(jail.parent_.get(), options.id.c_str(), 0755) == 0;
    const auto furnished = jail.make_rest(options, parent + "/" + options.id, program_name);
    if (!furnished.ok()) {
        jail.remove(Extent::kOurOwn);
        return furnished.error();
    }
    return jail;
}

Result<> Leftovers::make_rest(const JailOptions& options, const std::string& folder,
                              const std::string& program_name) {
    const auto opened = make_trusted_folder(folder);
    if (!opened.ok()) return of_base(opened.error());
    root_path_ = folder + "/root";
    auto root = make_root(opened.value().get(), options.ids);
    if (!root.ok()) return of_base(root.error().about(root_path_));
    root_ = std::move(root).value();
    cgroups_ = TRY(Cgroups::create(
        options.cgroups, options.cgroup_version,
        options.parent_cgroup.empty() ? program_name : options.parent_cgroup, options.id));
    return Ok{};
}

// A descriptor from before belongs to the namespace from before, in which we can mount nothing. So
// the path is walked again, and has to lead to the same folder.
Result<UniqueFd> Leftovers::mount_root() const {
    const open_how how{.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                       .mode = 0,
                       .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    const UniqueFd place(
        static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, root_path_.c_str(), &how, sizeof(how))));
    struct stat now {};
    struct stat before {};
    if (!place || ::fstat(place.get(), &now) != 0 || ::fstat(root_.get(), &before) != 0)
        return of_base(Error::from_errno("open").about(root_path_));
    if (!is_same_file(now, before))
        return of_base(Error{"root", 0, "has been moved"}.about(root_path_));
    return bind_onto_itself(place.get());
}

void Leftovers::remove(Extent extent) const {
    if (extent == Extent::kAll || made_folder_) remove_tree(parent_.get(), id_.c_str());
    cgroups_.remove(extent);
    unlock();
}

void Leftovers::unlock() const {
    ::unlinkat(parent_.get(), lock_name(id_).c_str(), 0);
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
    kept.push_back(lock_.get());
    kept.push_back(process);
    static_cast<void>(close_all_but(std::move(kept)).ok());  // it works as well with them
    pollfd end{process, POLLIN, 0};
    while (::poll(&end, 1, -1) < 0 && errno == EINTR) {
    }
    set_record_lock(lock_.get(), RecordLock::kNone, kLife);
    detach(mounts);
    remove(Extent::kAll);
    ::_exit(0);
}
