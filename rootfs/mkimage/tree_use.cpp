#include "rootfs/mkimage/tree_use.hpp"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <array>
#include <cstring>
#include <fts.h>
#include <memory>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "rootfs/mkimage/workplace.hpp"

namespace {

constexpr uint64_t blocks_of(uint64_t bytes) {
    return bytes / kExt4BlockBytes + (bytes % kExt4BlockBytes == 0 ? 0 : 1);
}

// Extended attributes lie in the inode where they fit, else in a block. An attribute takes a head
// of 16 bytes, its name and its value; 128 bytes of an inode and 32 of its extra fields are taken.
uint64_t xattr_blocks(const char* path) {
    constexpr uint64_t kRoomInInode = kExt4InodeBytes - 128 - 32 - 8;
    constexpr uint64_t kHead = 16 + 3;
    std::array<char, 65536> names{};
    const ssize_t length = ::llistxattr(path, names.data(), names.size());
    uint64_t bytes = 0;
    for (std::string_view rest(names.data(), length > 0 ? static_cast<size_t>(length) : 0);
         !rest.empty();) {
        const std::string name(rest.data());
        rest.remove_prefix(std::min(rest.size(), name.size() + 1));
        const ssize_t size = ::lgetxattr(path, name.c_str(), nullptr, 0);
        bytes += kHead + name.size() + (size > 0 ? static_cast<uint64_t>(size) + 3 : 0);
    }
    return bytes > kRoomInInode ? 1 : 0;
}

uint64_t content_blocks(const FTSENT& entry) {
    constexpr uint64_t kExtentBytes = uint64_t{64} << 20U;  // half the most that an extent spans
    constexpr uint64_t kShortLink = 59;                     // such a target lies in the inode
    const auto size = static_cast<uint64_t>(entry.fts_statp->st_size);
    if (entry.fts_info == FTS_SL) return size > kShortLink ? 1 : 0;
    if (entry.fts_info != FTS_F) return 0;
    return blocks_of(size) + size / kExtentBytes;
}

// A name's record in its folder: a head of 8 bytes, and rounded up to 4.
uint64_t name_bytes(const FTSENT& entry) {
    return (8 + uint64_t{entry.fts_namelen} + 3) / 4 * 4;
}

// A block of names ends in a checksum, and where the next name does not fit.
uint64_t folder_blocks(uint64_t name_bytes) {
    constexpr uint64_t kLongestName = 8 + 255 + 1;
    constexpr uint64_t kDots = 24;
    return blocks_of(kDots + name_bytes + name_bytes / 8) + name_bytes / (kExt4BlockBytes * 8) +
           (name_bytes > kExt4BlockBytes - kLongestName - kDots ? 1 : 0);
}

}  // namespace

Result<TreeUse> measure_tree(int tree, Job& job) {
    std::string root = descriptor_path(tree) + "/.";
    std::array<char*, 2> roots{root.data(), nullptr};
    const std::unique_ptr<FTS, int (*)(FTS*)> walk(
        ::fts_open(roots.data(), FTS_PHYSICAL | FTS_NOCHDIR, nullptr), &::fts_close);
    if (walk == nullptr) return Error::from_errno("fts_open");
    TreeUse use;
    std::set<std::pair<dev_t, ino_t>> linked;           // with several names, counted once
    std::unordered_map<const FTSENT*, uint64_t> names;  // in the folders that we are in
    errno = 0;
    while (FTSENT* const entry = ::fts_read(walk.get())) {
        TRY(job.interrupt.check());
        switch (entry->fts_info) {
            case FTS_DNR:
            case FTS_ERR:
            case FTS_NS:
                return Error{"read", entry->fts_errno}.about(entry->fts_path + root.size());
            case FTS_DP:
                use.blocks += folder_blocks(names[entry]);
                names.erase(entry);
                continue;
            default:
                break;
        }
        if (entry->fts_level > 0) names[entry->fts_parent] += name_bytes(*entry);
        const struct stat& status = *entry->fts_statp;
        if (entry->fts_info != FTS_D && status.st_nlink > 1 &&
            !linked.emplace(status.st_dev, status.st_ino).second)
            continue;
        ++use.inodes;
        use.blocks += content_blocks(*entry) + xattr_blocks(entry->fts_accpath);
    }
    if (errno != 0) return Error::from_errno("read").about("SOURCE");
    return use;
}
