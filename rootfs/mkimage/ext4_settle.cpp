#include "rootfs/mkimage/ext4_settle.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <ext2fs/ext2fs.h>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rootfs/mkimage/workplace.hpp"

namespace {

struct CloseScan {
    void operator()(ext2_struct_inode_scan* scan) const { ::ext2fs_close_inode_scan(scan); }
};
struct CloseFileSystem {
    void operator()(struct_ext2_filsys* fs) const { ::ext2fs_close(fs); }
};

Error failed() {
    return Error{"ext4", EIO, "the image that mke2fs has made cannot be changed"};
}

// Seconds have 34 bits, the highest two of them beside the nanoseconds, and count from the time
// that the lowest 32 say with a sign.
void take_time(ext2_inode_large& inode, const timespec& modified) {
    const auto low = static_cast<int32_t>(modified.tv_sec);
    const int64_t epoch = (modified.tv_sec - low) >> 32U;
    inode.i_mtime = static_cast<uint32_t>(low);
    inode.i_mtime_extra = static_cast<uint32_t>(epoch) | static_cast<uint32_t>(modified.tv_nsec)
                                                             << 2U;
}

void take_root(ext2_inode_large& inode, const struct stat& root) {
    inode.i_mode = static_cast<uint16_t>(root.st_mode);
    inode.i_uid = static_cast<uint16_t>(root.st_uid);
    inode.osd2.linux2.l_i_uid_high = static_cast<uint16_t>(root.st_uid >> 16U);
    inode.i_gid = static_cast<uint16_t>(root.st_gid);
    inode.osd2.linux2.l_i_gid_high = static_cast<uint16_t>(root.st_gid >> 16U);
    take_time(inode, root.st_mtim);
}

void settle(ext2_inode_large& inode) {
    inode.i_atime = inode.i_ctime = inode.i_crtime = inode.i_mtime;
    inode.i_atime_extra = inode.i_ctime_extra = inode.i_crtime_extra = inode.i_mtime_extra;
}

// Both views of an inode begin alike.
ext2_inode* view_of(ext2_inode_large& inode) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    return reinterpret_cast<ext2_inode*>(&inode);
}

struct Name {
    std::string path;  // in the tree
    ext2_ino_t inode;
};

struct Folder {
    const std::string& path;
    std::vector<Name>& names;  // what is in it is added
};

int note_name(ext2_ino_t /*folder*/, int /*place*/, ext2_dir_entry* entry, int /*offset*/,
              int /*block_size*/, char* /*block*/, void* data) {
    const Folder& folder = *static_cast<Folder*>(data);
    const std::string name(&entry->name[0], static_cast<size_t>(ext2fs_dirent_name_len(entry)));
    if (name != "." && name != "..")
        folder.names.push_back(
            {folder.path.empty() ? name : folder.path + "/" + name, entry->inode});
    return 0;
}

// mke2fs 1.47 takes the lowest 32 bits of the seconds and nothing else of each file's time: 2038
// would be 1901.
Result<> take_times(ext2_filsys fs, int tree) {
    std::vector<Name> left = {{"", EXT2_ROOT_INO}};
    while (!left.empty()) {
        const Name name = std::move(left.back());
        left.pop_back();
        struct stat status {};
        const char* const path = name.path.empty() ? "." : name.path.c_str();
        if (::fstatat(tree, path, &status, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno == ENOENT) continue;  // lost+found
            return Error::from_errno("stat").about(name.path);
        }
        ext2_inode_large inode{};
        if (::ext2fs_read_inode_full(fs, name.inode, view_of(inode), sizeof(inode)) != 0)
            return failed();
        take_time(inode, status.st_mtim);
        settle(inode);
        if (::ext2fs_write_inode_full(fs, name.inode, view_of(inode), sizeof(inode)) != 0)
            return failed();
        if (!LINUX_S_ISDIR(inode.i_mode)) continue;
        Folder folder{name.path, left};
        if (::ext2fs_dir_iterate2(fs, name.inode, 0, nullptr, &note_name, &folder) != 0)
            return failed();
    }
    return Ok{};
}

}  // namespace

Result<> settle_ext4(int image, int tree, uint32_t time) {
    struct stat root {};
    if (::fstat(tree, &root) != 0) return Error::from_errno("stat");
    ext2_filsys opened = nullptr;
    if (::ext2fs_open(descriptor_path(image).c_str(), EXT2_FLAG_RW | EXT2_FLAG_64BITS, 0, 0,
                      unix_io_manager, &opened) != 0)
        return failed();
    std::unique_ptr<struct_ext2_filsys, CloseFileSystem> fs(opened);
    fs->now = time;  // instead of today, for what is written from here on

    ext2_inode_scan started = nullptr;
    if (::ext2fs_open_inode_scan(fs.get(), 0, &started) != 0) return failed();
    std::unique_ptr<ext2_struct_inode_scan, CloseScan> scan(started);
    ext2_inode_large inode{};
    ext2_inode* const view = view_of(inode);
    for (ext2_ino_t number = 0;;) {
        if (::ext2fs_get_next_inode_full(scan.get(), &number, view, sizeof(inode)) != 0)
            return failed();
        if (number == 0) break;
        if (inode.i_links_count == 0 && number >= EXT2_FIRST_INO(fs->super)) continue;
        if (number == EXT2_ROOT_INO) take_root(inode, root);
        settle(inode);
        if (::ext2fs_write_inode_full(fs.get(), number, view, sizeof(inode)) != 0) return failed();
    }
    scan.reset();
    TRY(take_times(fs.get(), tree));
    return ::ext2fs_close(fs.release()) == 0 ? Result<>(Ok{}) : failed();
}
