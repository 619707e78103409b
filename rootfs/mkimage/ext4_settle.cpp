#include "rootfs/mkimage/ext4_settle.hpp"

#include <sys/stat.h>

#include <array>
#include <ext2fs/ext2fs.h>
#include <memory>

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

void take_root(ext2_inode_large& inode, const struct stat& root) {
    inode.i_mode = static_cast<uint16_t>(root.st_mode);
    inode.i_uid = static_cast<uint16_t>(root.st_uid);
    inode.osd2.linux2.l_i_uid_high = static_cast<uint16_t>(root.st_uid >> 16U);
    inode.i_gid = static_cast<uint16_t>(root.st_gid);
    inode.osd2.linux2.l_i_gid_high = static_cast<uint16_t>(root.st_gid >> 16U);
    inode.i_mtime = static_cast<uint32_t>(root.st_mtime);
}

void settle(ext2_inode_large& inode) {
    inode.i_atime = inode.i_ctime = inode.i_crtime = inode.i_mtime;
    inode.i_atime_extra = inode.i_ctime_extra = inode.i_crtime_extra = inode.i_mtime_extra;
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
    // Both views of an inode begin alike:
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    auto* const view = reinterpret_cast<ext2_inode*>(&inode);
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
    return ::ext2fs_close(fs.release()) == 0 ? Result<>(Ok{}) : failed();
}
