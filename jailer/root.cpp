#include "jailer/root.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string_view>

namespace {

constexpr mode_t kPrivateFolder = 0700;

// linux/mount.h, which does not go together with every libc's sys/mount.h.
constexpr unsigned kOpenTreeClone = 1;
constexpr unsigned kRecursive = 0x8000;        // AT_RECURSIVE
constexpr unsigned kMoveFromDescriptor = 0x4;  // MOVE_MOUNT_F_EMPTY_PATH
constexpr unsigned kMoveToDescriptor = 0x40;   // MOVE_MOUNT_T_EMPTY_PATH

// The name of an open file for calls that take none but names.
struct DescriptorPath {
    explicit DescriptorPath(int fd) {
        std::snprintf(text.data(), text.size(), "/proc/self/fd/%d", fd);
    }
    const char* c_str() const { return text.data(); }

    std::array<char, 32> text{};
};

// Opens `path` below `root`, as if that were "/". Links would have to be followed with care, and a
// jail has no use for any: they are refused.
UniqueFd open_inside(int root, const char* path, uint64_t flags) {
    open_how how{.flags = flags | O_CLOEXEC,
                 .mode = 0,
                 .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    return UniqueFd(static_cast<int>(::syscall(SYS_openat2, root, path, &how, sizeof(how))));
}

// Opens the folder `path` of the jail, made where it is missing, with all above it.
Result<UniqueFd> make_folders(int root, std::string_view path, const JailIds& ids) {
    UniqueFd folder = open_inside(root, ".", O_PATH | O_DIRECTORY);
    if (!folder) return Error::from_errno("open").about("the jail's root");
    while (!path.empty()) {
        const std::string_view part = path.substr(0, path.find('/'));
        path.remove_prefix(part.size() == path.size() ? part.size() : part.size() + 1);
        if (part.empty()) continue;
        const std::string name(part);
        const bool is_new = ::mkdirat(folder.get(), name.c_str(), kPrivateFolder) == 0;
        if (!is_new && errno != EEXIST) return Error::from_errno("mkdir in the jail");
        UniqueFd next = open_inside(folder.get(), name.c_str(), O_PATH | O_DIRECTORY);
        if (!next) return Error::from_errno("a folder of the jail", "it may be no link");
        if (is_new && ::fchownat(next.get(), "", ids.uid, ids.gid, AT_EMPTY_PATH) != 0)
            return Error::from_errno("chown in the jail");
        folder = std::move(next);
    }
    return folder;
}

struct Device {
    const char* folder;
    const char* name;
    const char* host_path;
    unsigned major;
    unsigned minor;
};

// Documentation/admin-guide/devices.txt. The first shows that the jail is taken.
constexpr std::array kDevices = {
    Device{"dev", "kvm", "/dev/kvm", 10, 232},
    Device{"dev/net", "tun", "/dev/net/tun", 10, 200},
    Device{"dev", "urandom", "/dev/urandom", 1, 9},
};

Result<> make_empty_file(int folder, const char* name) {
    const UniqueFd file(::openat(folder, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
    if (!file && errno != EEXIST) return Error::from_errno("create in the jail");
    return Ok{};
}

Result<> bind(int source, int target) {
    const DescriptorPath from(source);
    const DescriptorPath to(target);
    if (::mount(from.c_str(), to.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0)
        return Error::from_errno("bind mount");
    return Ok{};
}

Result<> furnish_device(int root, const Device& device, const JailIds& ids, Devices how) {
    const UniqueFd folder = TRY(make_folders(root, device.folder, ids));
    if (how == Devices::kMade) {
        const dev_t number = makedev(device.major, device.minor);
        if (::mknodat(folder.get(), device.name, S_IFCHR | 0600, number) != 0)
            return Error::from_errno("mknod", kJailIsTaken).about(device.host_path);
        if (::fchownat(folder.get(), device.name, ids.uid, ids.gid, AT_SYMLINK_NOFOLLOW) != 0)
            return Error::from_errno("chown").about(device.host_path);
        return Ok{};
    }
    const UniqueFd source(::open(device.host_path, O_PATH | O_CLOEXEC));
    if (!source) return Ok{};  // what the host does not have, the monitor will name if it needs it
    TRY(make_empty_file(folder.get(), device.name));
    const UniqueFd target(::openat(folder.get(), device.name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!target) return Error::from_errno("open in the jail").about(device.host_path);
    return bind(source.get(), target.get());
}

Result<> furnish_bind(int root, const Bind& it, const JailIds& ids) {
    const auto failed = [&it](Error error) { return error.about(it.source); };
    const UniqueFd source(::open(it.source.c_str(), O_PATH | O_CLOEXEC));
    struct stat status {};
    if (!source || ::fstat(source.get(), &status) != 0) return failed(Error::from_errno("--bind"));
    const std::string_view path = it.destination;
    const size_t slash = path.rfind('/');
    const std::string name(path.substr(slash + 1));
    const UniqueFd parent = TRY(make_folders(root, path.substr(0, slash), ids));
    if (S_ISDIR(status.st_mode))
        TRY(make_folders(root, path, ids));
    else
        TRY(make_empty_file(parent.get(), name.c_str()));
    const UniqueFd target(::openat(parent.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!target) return failed(Error::from_errno("--bind"));
    if (const auto bound = bind(source.get(), target.get()); !bound.ok())
        return failed(bound.error());
    if (!it.is_read_only) return Ok{};
    // The mount is above what `target` is, and is found by its name.
    const UniqueFd above(::openat(parent.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (::mount(nullptr, DescriptorPath(above.get()).c_str(), nullptr,
                MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, nullptr) != 0)
        return failed(Error::from_errno("remount read-only"));
    return Ok{};
}

}  // namespace

Result<> furnish_root(int root, const JailIds& ids, Devices devices, std::span<const Bind> binds) {
    if (::fchown(root, ids.uid, ids.gid) != 0 || ::fchmod(root, kPrivateFolder) != 0)
        return Error::from_errno("chown").about("the jail's root");
    for (const Device& device : kDevices) TRY(furnish_device(root, device, ids, devices));
    TRY(make_folders(root, "run", ids));
    for (const Bind& it : binds) TRY(furnish_bind(root, it, ids));
    return Ok{};
}

// A root has to be a mount. The copy is made and mounted by descriptors: no name is looked up. What
// the caller has mounted below comes with it.
Result<UniqueFd> bind_onto_itself(int folder) {
    const UniqueFd copy(static_cast<int>(::syscall(
        SYS_open_tree, folder, "", kOpenTreeClone | kRecursive | O_CLOEXEC | AT_EMPTY_PATH)));
    if (!copy) return Error::from_errno("open_tree").about("the jail's root");
    if (::syscall(SYS_move_mount, copy.get(), "", folder, "",
                  kMoveFromDescriptor | kMoveToDescriptor) != 0)
        return Error::from_errno("move_mount").about("the jail's root");
    UniqueFd root(::openat(copy.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root) return Error::from_errno("open").about("the jail's root");
    return root;
}

void let_go_of(int root) {
    ::umount2(DescriptorPath(root).c_str(), MNT_DETACH);
}

// Two mounts in one place: the new root above the old one, which can then be let go of without a
// folder for it in the new one. pivot_root(2), "pivot_root(".", ".")".
Result<> enter_root(int root) {
    if (::fchdir(root) != 0) return Error::from_errno("fchdir").about("the jail's root");
    if (::syscall(SYS_pivot_root, ".", ".") != 0) return Error::from_errno("pivot_root");
    if (::umount2(".", MNT_DETACH) != 0) return Error::from_errno("let go of the old root");
    if (::chdir("/") != 0) return Error::from_errno("chdir").about("/");
    return Ok{};
}

Result<> enter_empty_root() {
    // Any folder will do to put it on, and this one exists where there is /dev/kvm.
    constexpr char kPlace[] = "/dev";
    constexpr unsigned long kFlags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (::mount("jail", kPlace, "tmpfs", kFlags, "size=4k,nr_inodes=1,mode=0555") != 0)
        return Error::from_errno("mount an empty root");
    const UniqueFd root(::open(kPlace, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!root) return Error::from_errno("open an empty root");
    return enter_root(root.get());
}
