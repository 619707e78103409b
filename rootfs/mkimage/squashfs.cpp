#include "rootfs/mkimage/makers.hpp"
#include "rootfs/mkimage/tool.hpp"

// gzip, as every kernel with squashfs reads it. Who wants quick reads takes an erofs.
Result<> make_squashfs(int tree, int image, uint32_t time, Job& job) {
    return run_tool(
        {.tool = {"mksquashfs", "squashfs-tools"},
         .arguments = {kToolTree, kToolImage, "-noappend", "-comp", "gzip", "-mkfs-time",
                       std::to_string(time), "-no-progress", "-quiet", "-no-exports",
                       // What it cannot read it would leave out, or empty.
                       "-exit-on-error"},
         .step = "making squashfs",
         .image = image,
         .folder = tree},
        job);
}
