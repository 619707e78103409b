// The bytes are two archives: the length of the first in four bytes (little-endian), the first, and
// the second as a layer above it, whose whiteouts are obeyed. Whatever they are, nothing outside of
// the tree changes, what is in the tree can be walked, and it is within the limits.
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fts.h>
#include <memory>
#include <span>
#include <string>

#include "rootfs/mkimage/archive.hpp"
#include "rootfs/mkimage/staging_tree.hpp"
#include "rootfs/mkimage/unpack.hpp"
#include "rootfs/mkimage/workplace.hpp"

namespace {

constexpr UnpackLimits kLimits{
    .bytes = uint64_t{1} << 20U, .entries = 1000, .layer_name_bytes = 1 << 16};
constexpr const char* kSecret = "outside of the tree";

void check(bool holds) {
    if (!holds) __builtin_trap();
}

// A folder of one file and, beside it, the tree. Archives try to reach the file.
class Box {
public:
    Box() {
        const bool has_memory = ::access("/dev/shm", W_OK) == 0;
        path_ = std::string(has_memory ? "/dev/shm" : "/tmp") + "/mayfly-unpack-fuzz-XXXXXX";
        check(::mkdtemp(path_.data()) != nullptr);
        const UniqueFd file(::open(outside().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0640));
        check(file && ::write(file.get(), kSecret, std::strlen(kSecret)) > 0);
        check(::fstat(file.get(), &before_) == 0);
    }
    Box(const Box&) = delete;
    Box& operator=(const Box&) = delete;
    ~Box() { remove_folder(path_); }

    std::string tree() const { return path_ + "/tree"; }

    // The file is as it was: content, owner, mode, times, and links to it.
    void check_outside() const {
        struct stat now {};
        check(::lstat(outside().c_str(), &now) == 0);
        check(now.st_ino == before_.st_ino && now.st_nlink == 1 && now.st_mode == before_.st_mode);
        check(now.st_uid == before_.st_uid && now.st_gid == before_.st_gid);
        check(now.st_size == before_.st_size && now.st_mtim.tv_sec == before_.st_mtim.tv_sec &&
              now.st_mtim.tv_nsec == before_.st_mtim.tv_nsec &&
              now.st_ctim.tv_nsec == before_.st_ctim.tv_nsec);
        struct stat folder {};
        check(::lstat(path_.c_str(), &folder) == 0 && (folder.st_mode & 07777U) == 0700);
    }

    // Besides the file and the tree nothing is there, and the tree keeps the limits.
    void check_walk() const {
        std::string root = path_;
        std::array<char*, 2> roots{root.data(), nullptr};
        const std::unique_ptr<FTS, int (*)(FTS*)> walk(
            ::fts_open(roots.data(), FTS_PHYSICAL | FTS_NOCHDIR, nullptr), &::fts_close);
        check(walk != nullptr);
        size_t beside = 0;
        uint64_t bytes = 0;
        while (const FTSENT* const entry = ::fts_read(walk.get())) {
            check(entry->fts_info != FTS_ERR && entry->fts_info != FTS_NS);
            check(std::strlen(entry->fts_path) < PATH_MAX);
            if (entry->fts_info == FTS_DP) continue;
            if (entry->fts_level == 1) ++beside;
            if (entry->fts_info == FTS_F && entry->fts_level > 1)
                bytes +=
                    static_cast<uint64_t>(entry->fts_statp->st_size) / entry->fts_statp->st_nlink;
        }
        check(beside == 2 && bytes <= kLimits.bytes);
    }

private:
    std::string outside() const { return path_ + "/outside"; }

    std::string path_;
    struct stat before_ {};
};

void unpack(std::span<const uint8_t> bytes, Whiteouts whiteouts, Unpacker& unpacker, Job& job) {
    const UniqueFd file(::memfd_create("archive", MFD_CLOEXEC));
    check(::write(file.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    check(::lseek(file.get(), 0, SEEK_SET) == 0);
    auto archive = Archive::open(file.get(), "archive", job);
    if (!archive.ok()) return;
    [[maybe_unused]] const auto unpacked = unpacker.unpack(archive.value(), "archive", whiteouts);
    [[maybe_unused]] const auto digest = archive.value().finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    uint32_t first = 0;
    if (size < sizeof(first)) return 0;
    std::memcpy(&first, data, sizeof(first));
    const std::span<const uint8_t> rest(data + sizeof(first), size - sizeof(first));
    if (first > rest.size()) return 0;

    auto interrupt = Interrupt::create();
    check(interrupt.ok());
    Job job{std::move(interrupt).value()};
    const Box box;
    {
        auto tree = StagingTree::create(box.tree());
        check(tree.ok());
        Expansion expansion;
        Unpacker unpacker(tree.value(), kLimits, expansion, job);
        unpack(rest.first(first), Whiteouts::kAsNames, unpacker, job);
        unpack(rest.subspan(first), Whiteouts::kApplied, unpacker, job);
        check(tree.value().settle_times().ok());
    }
    box.check_outside();
    box.check_walk();
    return 0;
}
