#include "rootfs/mkimage/makers.hpp"
#include "rootfs/mkimage/tool.hpp"

// gzip, as every kernel with squashfs reads it. Who wants quick reads takes an erofs.
Result<> make_squashfs(const std::string& tree, const std::string& image, uint32_t time, Job& job) {
    return run_tool({.tool = {"mksquashfs", "squashfs-tools"},
                     .arguments = {tree, image, "-noappend", "-comp", "gzip", "-mkfs-time",
                                   std::to_string(time), "-no-progress", "-quiet", "-no-exports"},
                     .step = "making squashfs",
                     .growing_file = image},
                    job);
}
