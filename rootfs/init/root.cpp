#include "rootfs/init/root.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>

#include "rootfs/init/failure.hpp"

namespace {

constexpr char kDisk[] = "/dev/vda";
constexpr char kRoot[] = "/root";
constexpr char kLower[] = "/image";
constexpr char kMemory[] = "/memory";
constexpr unsigned kPatienceMs = 10'000;  // for a disk whose driver is a module

void make_folder(const char* path) {
    if (::mkdir(path, 0755) != 0 && errno != EEXIST) fail("cannot make the folder", path);
}

void mount_here(const char* source, const char* target, const char* type, unsigned long flags,
                const char* options = nullptr) {
    if (::mount(source, target, type, flags, options) != 0) fail("cannot mount", target);
}

// Mounts `type` where the image has room for a folder; without one the program lacks that file
// system.
void mount_optional(const char* target, const char* type, unsigned long flags,
                    const char* options = nullptr) {
    if (::mkdir(target, 0755) != 0 && errno != EEXIST)
        return warn("cannot make the folder", target);
    // A kernel of the user's may lack one.
    if (::mount(type, target, type, flags, options) != 0 && errno != ENODEV)
        warn("cannot mount", target);
}

void load_module(int folder, const char* name) {
    const int fd = ::openat(folder, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (::syscall(SYS_finit_module, fd, "", 0) != 0 && errno != EEXIST))
        warn("cannot load the module", name);
    if (fd >= 0) ::close(fd);
}

void load_modules() {
    constexpr char kFolder[] = "/modules";
    dirent** entries = nullptr;
    const int count = ::scandir(kFolder, &entries, nullptr, ::alphasort);
    if (count < 0) return;
    const int folder = ::open(kFolder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < count; ++i)
        if (entries[i]->d_name[0] != '.') load_module(folder, entries[i]->d_name);
    ::close(folder);
}

int open_disk() {
    for (unsigned waited_ms = 0;; ++waited_ms) {
        const int fd = ::open(kDisk, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) return fd;
        if (errno != ENOENT || waited_ms == kPatienceMs)
            fail("cannot be opened; does the kernel have virtio-mmio and virtio-blk?", kDisk);
        ::usleep(1000);
    }
}

// The file system's name, by the magic number of its superblock: erofs and ext4 (s_magic)
// little-endian at 1024, squashfs at 0.
const char* file_system(int disk) {
    constexpr size_t kSuperblock = 1024;
    constexpr size_t kExt4Magic = kSuperblock + 56;
    std::array<uint8_t, 2048> start{};
    if (::pread(disk, start.data(), start.size(), 0) != static_cast<ssize_t>(start.size()))
        fail("cannot be read", kDisk);
    constexpr std::array<uint8_t, 4> kErofs = {0xe2, 0xe1, 0xf5, 0xe0};
    constexpr std::array<uint8_t, 2> kExt4 = {0x53, 0xef};
    if (std::memcmp(start.data(), "hsqs", 4) == 0) return "squashfs";
    if (std::memcmp(&start[kSuperblock], kErofs.data(), kErofs.size()) == 0) return "erofs";
    if (std::memcmp(&start[kExt4Magic], kExt4.data(), kExt4.size()) == 0) return "ext4";
    errno = 0;
    fail("holds no erofs, squashfs or ext4; make one with mayfly-image", kDisk);
}

void mount_overlay() {
    mount_here("memory", kMemory, "tmpfs", 0, "mode=0755");
    make_folder("/memory/upper");
    make_folder("/memory/work");
    // The root folder's owner and mode are those of the upper layer's.
    struct stat image {};
    if (::stat(kLower, &image) != 0 || ::chown("/memory/upper", image.st_uid, image.st_gid) != 0 ||
        ::chmod("/memory/upper", image.st_mode & 07777) != 0)
        fail("has no root folder to take the mode of", kLower);
    mount_here("root", kRoot, "overlay", 0,
               "lowerdir=/image,upperdir=/memory/upper,workdir=/memory/work");
}

}  // namespace

void prepare_initial_root() {
    for (const char* const folder : {"/dev", "/proc", kRoot, kLower, kMemory}) make_folder(folder);
    mount_here("dev", "/dev", "devtmpfs", MS_NOSUID, "mode=0755");
    mount_here("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC);
    load_modules();
}

void mount_root(RootAccess access) {
    const int disk = open_disk();
    const char* const type = file_system(disk);
    ::close(disk);
    if (access == RootAccess::kReadWrite) {
        mount_here(kDisk, kRoot, type, 0);
    } else {
        mount_here(kDisk, kLower, type, MS_RDONLY);
        mount_overlay();
    }
    make_folder("/root/dev");
    make_folder("/root/proc");
    // Programs count on it, and an image of one program may lack it.
    if (::mkdir("/root/tmp", 01777) == 0) ::chmod("/root/tmp", 01777);
    mount_here("/dev", "/root/dev", nullptr, MS_MOVE);
    mount_here("/proc", "/root/proc", nullptr, MS_MOVE);
    mount_optional("/root/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY);
    if (::mkdir("/root/run", 0755) != 0 && errno != EEXIST) warn("cannot make the folder", "/run");
    mount_optional("/root/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
                   "mode=0620,gid=5,ptmxmode=0666");
    mount_optional("/root/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
    mount_optional("/root/dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC);
}

void enter_root() {
    if (::chdir(kRoot) != 0) fail("cannot be entered", kRoot);
    mount_here(".", "/", nullptr, MS_MOVE);
    if (::chroot(".") != 0 || ::chdir("/") != 0) fail("cannot become the root", kRoot);
    // Where programs look for them; udev would make these links.
    ::symlink("/proc/self/fd", "/dev/fd");
    ::symlink("/proc/self/fd/0", "/dev/stdin");
    ::symlink("/proc/self/fd/1", "/dev/stdout");
    ::symlink("/proc/self/fd/2", "/dev/stderr");
}

void leave_root(RootAccess access) {
    if (access == RootAccess::kOverlay) return;  // all of it was in memory
    // Files that are open for writing keep a file system from becoming read-only.
    ::kill(-1, SIGKILL);
    while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
    }
    if (::mount(nullptr, "/", nullptr, MS_REMOUNT | MS_RDONLY, nullptr) != 0) ::sync();
}
