// The bytes are a JSON document of a stranger's image. Whatever they say, a digest that is accepted
// can be part of a path, and what goes to /.mayfly/config is what it was made from, string for
// string.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rootfs/mkimage/digest.hpp"
#include "rootfs/mkimage/image_documents.hpp"
#include "rootfs/mkimage/run_config.hpp"

namespace {

void check(bool holds) {
    if (!holds) __builtin_trap();
}

void check_descriptor(const Descriptor& descriptor) {
    check(is_sha256_digest(descriptor.digest));
    check(descriptor.digest.find('/') == std::string::npos);
}

void check_choice(const std::vector<Descriptor>& from, std::string_view tag) {
    const auto chosen = choose(from, tag, Choice::kFirst);
    if (!chosen.ok()) return;
    check(tag.empty() || chosen.value().tag == tag);
    check(std::ranges::any_of(from, [&](const Descriptor& descriptor) {
        return descriptor.digest == chosen.value().digest && descriptor.tag == chosen.value().tag;
    }));
    const std::string& os = chosen.value().os;
    const std::string& architecture = chosen.value().architecture;
    check((os.empty() && architecture.empty()) || (os == "linux" && architecture == "amd64"));
}

void check_index(std::string_view text) {
    const auto index = parse_index(text);
    if (!index.ok()) return;
    check(is_index(text));
    check_choice(index.value(), "");
    for (const Descriptor& descriptor : index.value()) {
        check_descriptor(descriptor);
        check_choice(index.value(), descriptor.tag);
    }
}

// As the guest's init reads it.
RunConfig decode(std::string_view file) {
    RunConfig run;
    while (!file.empty()) {
        const size_t end = file.find('\0');
        check(end != std::string_view::npos);
        const std::string_view record = file.substr(0, end);
        file.remove_prefix(end + 1);
        const std::string_view key = record.substr(0, record.find('='));
        check(key.size() < record.size());
        const std::string value(record.substr(key.size() + 1));
        if (key == "arg") {
            run.arguments.push_back(value);
        } else if (key == "env") {
            run.environment.push_back(value);
        } else if (key == "workdir") {
            run.workdir = value;
        } else if (key == "user") {
            run.user = value;
        } else {
            check(key == "volume");
            run.volumes.push_back(value);
        }
    }
    return run;
}

void check_config(std::string_view text) {
    const auto config = parse_image_config(text);
    if (!config.ok()) return;
    const RunConfig& run = config.value().run;
    const RunConfig again = decode(encode(run));
    check(again.arguments == run.arguments && again.environment == run.environment);
    check(again.workdir == run.workdir && again.user == run.user && again.volumes == run.volumes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    // JSON is text; bytes and characters are the same here:
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    check_index(text);
    check_config(text);
    if (const auto manifest = parse_manifest(text); manifest.ok()) {
        check_descriptor(manifest.value().config);
        std::ranges::for_each(manifest.value().layers, check_descriptor);
    }
    if (const auto ids = parse_repositories(text); ids.ok())
        check(std::ranges::adjacent_find(ids.value()) == ids.value().end());
    [[maybe_unused]] const auto parent = parse_parent(text);
    [[maybe_unused]] const auto saved = parse_docker_manifest(text);
    return 0;
}
