#include <algorithm>

#include "rootfs/mkimage/ext4_settle.hpp"
#include "rootfs/mkimage/makers.hpp"
#include "rootfs/mkimage/tool.hpp"
#include "rootfs/mkimage/tree_use.hpp"

namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20U;
constexpr uint64_t kJournalBytes = 4 * kMiB;  // the smallest; a crash leaves files whole
constexpr uint64_t kGroupBytes = 128 * kMiB;  // what one block of bitmap stands for
constexpr uint64_t kBytesPerInode = 16384;    // of free space, as mke2fs has it

struct Layout {
    uint64_t bytes;
    uint64_t inodes;
};

// What the tree needs: content and names; inodes, some of them the file system's own; the journal;
// and per group two bitmaps, what is rounded up in the inode table, and copies of the superblock
// and of the group descriptors.
Layout least(const TreeUse& use) {
    constexpr uint64_t kOwnInodes = 16;
    constexpr uint64_t kBlocksPerGroup = 2 + 2 + 16;
    const uint64_t inodes = use.inodes + kOwnInodes;
    const uint64_t bytes = use.blocks * kExt4BlockBytes + inodes * kExt4InodeBytes + kJournalBytes;
    const uint64_t groups = bytes / kGroupBytes + 1;
    const uint64_t descriptors = groups / 64 + 1;
    const uint64_t overhead = groups * (kBlocksPerGroup + descriptors) * kExt4BlockBytes;
    return {bytes + overhead + 64 * kExt4BlockBytes, inodes};
}

// Of the size asked for, or with an eighth and 16 MiB to work in.
Result<Layout> layout_of(const TreeUse& use, std::optional<uint64_t> size, Job& job) {
    const Layout need = least(use);
    const uint64_t bytes = size.value_or(need.bytes + need.bytes / 8 + 16 * kMiB);
    if (bytes < need.bytes)
        return Error{
            "is too small", 0,
            job.words.keep("SOURCE needs --size " + std::to_string(need.bytes / kMiB + 1) + "M")}
            .about("--size");
    return Layout{bytes, need.inodes + (bytes - need.bytes) / kBytesPerInode};
}

// What Linux 6.1 reads and mke2fs's own settings (which differ from host to host) do not touch. No
// resize_inode: it would keep blocks free for a growth that guests do not know.
constexpr const char* kFeatures =
    "none,has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,"
    "huge_file,dir_nlink,extra_isize,metadata_csum";

}  // namespace

Result<> make_ext4(int tree, int image, uint32_t time, std::optional<uint64_t> size, Job& job) {
    const Layout layout = TRY(layout_of(TRY(measure_tree(tree, job)), size, job));
    const uint32_t made = std::max(time, 1U);  // e2fsprogs takes 0 for "now"
    TRY(run_tool(
        {.tool = {"mke2fs", "e2fsprogs"},
         // The image begins as a hole: tables and journal are zero already, and say so, or the
         // guest's kernel would write zeros behind its back.
         .arguments = {"-q",
                       "-F",
                       "-t",
                       "ext4",
                       "-O",
                       kFeatures,
                       "-b",
                       std::to_string(kExt4BlockBytes),
                       "-I",
                       std::to_string(kExt4InodeBytes),
                       "-N",
                       std::to_string(layout.inodes),
                       "-J",
                       "size=" + std::to_string(kJournalBytes / kMiB),
                       "-m",
                       "0",
                       "-U",
                       kImageUuid,
                       "-E",
                       std::string("nodiscard,lazy_itable_init=0,assume_storage_prezeroed=1,"
                                   "hash_seed=") +
                           kImageUuid,
                       "-d",
                       kToolTree,
                       kToolImage,
                       std::to_string(layout.bytes / kExt4BlockBytes)},
         .environment = {"MKE2FS_CONFIG=/dev/null", "E2FSPROGS_FAKE_TIME=" + std::to_string(made)},
         .step = "making ext4",
         .image = image,
         .folder = tree},
        job));
    return settle_ext4(image, tree, made);
}
