#include "rootfs/mkimage/image.hpp"

#include <unistd.h>

#include <array>
#include <climits>
#include <cstdlib>
#include <memory>

#include "rootfs/mkimage/makers.hpp"
#include "rootfs/mkimage/source.hpp"
#include "rootfs/mkimage/tool.hpp"
#include "rootfs/mkimage/workplace.hpp"

namespace {

// As tools take it: absolute, for none that looks like a flag, and without links: mksquashfs would
// put a link into the image in place of the folder that it leads to.
Result<std::string> as_operand(const std::string& path) {
    const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), &::free);
    if (real == nullptr) return Error::from_errno("path");
    return std::string(real.get());
}

Result<> make_file_system(const ImageOptions& options, const std::string& tree,
                          const std::string& workplace, Job& job) {
    const std::string image = image_in(workplace);
    const uint32_t time = TRY(image_time());
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

Result<> unpack_and_make(const ImageOptions& options, const Source& source,
                         const std::string& workplace, Job& job) {
    TRY(source.unpack(workplace, job));
    return make_file_system(options, tree_in(workplace), workplace, job);
}

// Runs unpack_and_make() in this program under fakeroot: owners and device nodes of an archive are
// right in the image although nobody but root can make them.
Result<> unpack_and_make_under_fakeroot(const ImageOptions& options, const std::string& workplace,
                                        Job& job) {
    std::array<char, PATH_MAX> self{};
    if (::readlink("/proc/self/exe", self.data(), self.size() - 1) < 0)
        return Error::from_errno("/proc/self/exe", "/proc must be mounted");
    const std::string time = std::to_string(TRY(image_time()));
    ToolCall call{.tool = {"fakeroot", "fakeroot"},
                  .arguments = {"--", self.data(), "--in-workplace", workplace},
                  .environment = {"SOURCE_DATE_EPOCH=" + time},
                  .output = ToolOutput::kOurs};
    call.arguments.insert(call.arguments.end(), {"--format", name_of(options.format)});
    if (options.size)
        call.arguments.insert(call.arguments.end(),
                              {"--size", std::to_string(*options.size >> 10U) + "K"});
    call.arguments.insert(call.arguments.end(), {"--", options.source.text, options.out});
    return run_tool(call, job);
}

}  // namespace

Result<> make_image(const ImageOptions& options, Job& job) {
    const Source source = TRY(Source::open(options.source));
    if (options.workplace != nullptr) {
        TRY(Interrupt::follow(kLifeline));
        return unpack_and_make(options, source, options.workplace, job);
    }
    if (source.is_folder()) TRY(source.must_not_hold(options.out));
    Workplace workplace = TRY(Workplace::create(options.out));
    const std::string& folder = workplace.folder();
    if (source.is_tree()) {
        const auto tree = as_operand(options.source.path);
        if (!tree.ok()) return tree.error().about(options.source.text);
        TRY(make_file_system(options, tree.value(), folder, job));
    } else if (::geteuid() == 0) {
        TRY(unpack_and_make(options, source, folder, job));
    } else {
        TRY(unpack_and_make_under_fakeroot(options, folder, job));
    }
    return workplace.publish();
}
