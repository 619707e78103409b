#include "rootfs/mkimage/image.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <climits>

#include "rootfs/mkimage/makers.hpp"
#include "rootfs/mkimage/source.hpp"
#include "rootfs/mkimage/tool.hpp"
#include "rootfs/mkimage/tree_check.hpp"
#include "rootfs/mkimage/workplace.hpp"

namespace {

Result<> make_file_system(const ImageOptions& options, int tree, int image, Job& job) {
    const uint32_t time = TRY(image_time());
    TRY(check_tree(tree, options.format, job));
    switch (options.format) {
        case ImageFormat::kErofs:
            return make_erofs(tree, image, time, job);
        case ImageFormat::kSquashfs:
            return make_squashfs(tree, image, time, job);
        case ImageFormat::kExt4:
            return make_ext4(tree, image, time, options.size, job);
    }
    return Ok{};
}

Result<> unpack_and_make(const ImageOptions& options, const Source& source, int folder, int image,
                         Job& job) {
    TRY(source.unpack(folder, options.most_times, job));
    const UniqueFd tree(
        ::openat(folder, kTreeName, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!tree) return Error::from_errno("open");
    return make_file_system(options, tree.get(), image, job);
}

// Runs unpack_and_make() in this program under fakeroot: owners and device nodes of an archive are
// right in the image although nobody but root can make them.
Result<> unpack_and_make_under_fakeroot(const ImageOptions& options, int folder, int image,
                                        Job& job) {
    std::array<char, PATH_MAX> self{};
    if (::readlink("/proc/self/exe", self.data(), self.size() - 1) < 0)
        return Error::from_errno("/proc/self/exe", "/proc must be mounted");
    const std::string time = std::to_string(TRY(image_time()));
    ToolCall call{.tool = {"fakeroot", "fakeroot"},
                  .arguments = {"--", self.data(), "--in-workplace", "--max-expansion",
                                std::to_string(options.most_times)},
                  .environment = {"SOURCE_DATE_EPOCH=" + time},
                  .output = ToolOutput::kOurs,
                  .image = image,
                  .folder = folder};
    call.arguments.insert(call.arguments.end(), {"--format", name_of(options.format)});
    if (options.size)
        call.arguments.insert(call.arguments.end(),
                              {"--size", std::to_string(*options.size >> 10U) + "K"});
    call.arguments.insert(call.arguments.end(), {"--", options.source.text, options.out});
    return run_tool(call, job);
}

}  // namespace

Result<> make_image(const ImageOptions& options, Job& job) {
    const Source source = TRY(Source::open(options.source, job));
    if (options.is_in_workplace) {
        TRY(Interrupt::follow(kLifeline));
        return unpack_and_make(options, source, kHandedFolder, kHandedImage, job);
    }
    Workplace workplace = TRY(Workplace::create(options.out));
    if (source.is_folder()) TRY(source.must_not_hold(workplace.place()));
    if (source.is_tree()) {
        TRY(make_file_system(options, source.fd(), workplace.image(), job));
        return workplace.publish();
    }
    const int folder = TRY(workplace.make_folder());
    if (::geteuid() == 0) {
        TRY(unpack_and_make(options, source, folder, workplace.image(), job));
    } else {
        TRY(unpack_and_make_under_fakeroot(options, folder, workplace.image(), job));
    }
    return workplace.publish();
}
