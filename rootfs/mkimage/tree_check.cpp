#include "rootfs/mkimage/tree_check.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdint>
#include <fts.h>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/unique_fd.hpp"
#include "rootfs/mkimage/workplace.hpp"

namespace {

constexpr uint64_t kAny = std::numeric_limits<uint64_t>::max();

// Tools put the way to the tree before a path, and some a /.. behind it.
constexpr size_t kMostPathBytes = 4000;
static_assert(kMostPathBytes < PATH_MAX - 64);

struct Keeps {
    int64_t first_time;
    int64_t last_time;
    const char* other_times;  // the remedy
    size_t name_bytes;
    uint64_t links;
    bool has_acls;
    uint64_t hole_bytes;  // so many are written out as zeros
};

constexpr Keeps kErofs{
    .first_time = std::numeric_limits<int64_t>::min(),
    .last_time = std::numeric_limits<int64_t>::max(),
    .other_times = "",
    .name_bytes = NAME_MAX - 1,  // mkfs.erofs 1.5 cuts those that are longer
    .links = kAny,
    .has_acls = true,
    .hole_bytes = uint64_t{1} << 30U,
};
constexpr Keeps kSquashfs{
    .first_time = 0,
    .last_time = std::numeric_limits<uint32_t>::max(),
    .other_times = "is before 1970 or after 2106, which squashfs does not have; --format erofs has",
    .name_bytes = NAME_MAX,
    .links = kAny,
    .has_acls = false,
    .hole_bytes = kAny,
};
constexpr Keeps kExt4{
    .first_time = std::numeric_limits<int32_t>::min(),
    .last_time = (int64_t{1} << 34U) + std::numeric_limits<int32_t>::min() - 1,
    .other_times = "is before 1901 or after 2446, which ext4 does not have; --format erofs has",
    .name_bytes = NAME_MAX,
    .links = 65000,
    .has_acls = true,
    .hole_bytes = kAny,
};

const Keeps& kept_by(ImageFormat format) {
    switch (format) {
        case ImageFormat::kSquashfs:
            return kSquashfs;
        case ImageFormat::kExt4:
            return kExt4;
        default:
            return kErofs;
    }
}

bool has_acl(const char* path) {
    return ::lgetxattr(path, "system.posix_acl_access", nullptr, 0) > 0 ||
           ::lgetxattr(path, "system.posix_acl_default", nullptr, 0) > 0;
}

// What a file system leaves out of a file because it is zero; not what it compresses.
uint64_t hole_bytes_of(const char* path, const struct stat& status) {
    constexpr int64_t kUnit = 512;  // of st_blocks
    if (status.st_blocks >= status.st_size / kUnit) return 0;
    const UniqueFd file(::open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    uint64_t holes = 0;
    for (off_t at = 0; at < status.st_size;) {
        off_t data = ::lseek(file.get(), at, SEEK_DATA);
        if (data < 0 && errno != ENXIO) return 0;
        if (data < 0) data = status.st_size;
        holes += static_cast<uint64_t>(data - at);
        if (data >= status.st_size) break;
        at = ::lseek(file.get(), data, SEEK_HOLE);
        if (at <= data) break;
    }
    return holes;
}

class Check {
public:
    explicit Check(const Keeps& keeps) : keeps_(keeps) {}

    // `place`: in the tree, of `entry`.
    Result<> look_at(const FTSENT& entry, std::string_view place) {
        if (entry.fts_info == FTS_DNR || entry.fts_info == FTS_ERR || entry.fts_info == FTS_NS)
            return unreadable(entry.fts_errno);
        const struct stat& status = *entry.fts_statp;
        if (place.size() > kMostPathBytes) return unreadable(ENAMETOOLONG);
        if (entry.fts_namelen > keeps_.name_bytes)
            return Error{"name", 0,
                         "of 255 bytes, which mkfs.erofs cuts; --format squashfs keeps it"};
        if (status.st_mtime < keeps_.first_time || status.st_mtime > keeps_.last_time)
            return Error{"time of modification", 0, keeps_.other_times};
        if (!keeps_.has_acls && has_acl(entry.fts_path))
            return Error{"access control list", 0,
                         "squashfs has none; --format erofs and ext4 keep it"};
        if (S_ISDIR(status.st_mode)) return Ok{};
        const bool is_first = TRY(count_names(status));
        return S_ISREG(status.st_mode) && is_first ? look_at_file(entry.fts_path, status)
                                                   : Result<>(Ok{});
    }

private:
    static Error unreadable(int code) {
        return {"read", code, code == EACCES ? "who makes an image must be able to" : nullptr};
    }

    Result<> look_at_file(const char* path, const struct stat& status) {
        if (::faccessat(AT_FDCWD, path, R_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW) != 0)
            return unreadable(errno);
        if (keeps_.hole_bytes == kAny) return Ok{};
        hole_bytes_ += hole_bytes_of(path, status);
        if (hole_bytes_ > keeps_.hole_bytes)
            return Error{"sparse file", 0,
                         "erofs would have more than a GiB of zeros for such holes; --format "
                         "squashfs and ext4 keep them"};
        return Ok{};
    }

    // Whether this is the first name of its file.
    Result<bool> count_names(const struct stat& status) {
        if (status.st_nlink < 2) return true;
        const uint64_t names = ++names_[{status.st_dev, status.st_ino}];
        if (names > keeps_.links)
            return Error{"hard link", 0,
                         "ext4 has at most 65000 names of a file; --format erofs has more"};
        return names == 1;
    }

    const Keeps& keeps_;
    uint64_t hole_bytes_ = 0;
    std::map<std::pair<dev_t, ino_t>, uint64_t> names_{};  // of files with several
};

}  // namespace

Result<> check_tree(int tree, ImageFormat format, Job& job) {
    std::string root = descriptor_path(tree) + "/.";
    std::array<char*, 2> roots{root.data(), nullptr};
    const std::unique_ptr<FTS, int (*)(FTS*)> walk(
        ::fts_open(roots.data(), FTS_PHYSICAL | FTS_NOCHDIR, nullptr), &::fts_close);
    if (walk == nullptr) return Error::from_errno("fts_open");
    Check check(kept_by(format));
    errno = 0;
    while (const FTSENT* const entry = ::fts_read(walk.get())) {
        TRY(job.interrupt.check());
        if (entry->fts_info == FTS_DP) continue;
        std::string_view place = std::string_view(entry->fts_path, entry->fts_pathlen);
        place.remove_prefix(std::min(place.size(), root.size() + 1));
        const auto looked = check.look_at(*entry, place);
        if (!looked.ok()) return looked.error().about(place.empty() ? "SOURCE" : place);
        errno = 0;
    }
    if (errno != 0) return Error::from_errno("read").about("SOURCE");
    return Ok{};
}
