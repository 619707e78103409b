// The documents of container images from any bytes: parsed or refused. A digest that was taken is
// fit to be a part of a path, and a configuration never says what it was not told.
#include <cstdint>
#include <cstdlib>

#include "rootfs/mkimage/digest.hpp"
#include "rootfs/mkimage/image_documents.hpp"
#include "rootfs/mkimage/run_config.hpp"

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

void check_config(const RunConfig& run) {
    const std::string file = encode(run);
    size_t strings = 0;
    for (const char c : file) strings += c == '\0' ? 1 : 0;
    check(strings == run.arguments.size() + run.environment.size() + (run.workdir.empty() ? 0 : 1) +
                         (run.user.empty() ? 0 : 1));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    // Bytes are characters: NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto index = parse_index(text); index.ok()) {
        check(is_index(text));
        for (const Descriptor& it : index.value()) check(is_sha256_digest(it.digest));
        if (const auto chosen = choose(index.value(), ""); chosen.ok())
            check(chosen.value().os.empty() || chosen.value().os == "linux");
    }
    if (const auto manifest = parse_manifest(text); manifest.ok())
        for (const Descriptor& it : manifest.value().layers) check(is_sha256_digest(it.digest));
    [[maybe_unused]] const auto saved = parse_docker_manifest(text);
    if (const auto config = parse_image_config(text); config.ok()) check_config(config.value().run);
    return 0;
}
