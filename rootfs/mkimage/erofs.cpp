#include "rootfs/mkimage/erofs_time.hpp"
#include "rootfs/mkimage/makers.hpp"
#include "rootfs/mkimage/tool.hpp"

// Not compressed. A guest reads an image through the host's page cache, which all guests share: a
// page that is there costs a copy, and lz4 would cost every guest its decompression and buffers on
// the way to the first process. Compression also would make an image depend on the version of lz4.
// What must be small on disk is made a squashfs.
Result<> make_erofs(int tree, int image, uint32_t time, Job& job) {
    TRY(run_tool({.tool = {"mkfs.erofs", "erofs-utils"},
                  // Inodes of the short form have no time of their own.
                  .arguments = {"-Eforce-inode-extended", std::string("-U") + kImageUuid, "--quiet",
                                kToolImage, kToolTree},
                  .step = "making erofs",
                  .image = image,
                  .folder = tree},
                 job));
    return set_erofs_time(image, time);
}
