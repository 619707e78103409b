#include "rootfs/mkimage/bundle.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/read_all.hpp"
#include "rootfs/mkimage/digest.hpp"
#include "rootfs/mkimage/open_in_root.hpp"
#include "rootfs/mkimage/run_config.hpp"

namespace {

constexpr std::string_view kSha256 = "sha256:";
constexpr const char* kDockerManifest = "manifest.json";
constexpr const char* kRepositories = "repositories";
constexpr const char* kIndex = "index.json";
constexpr const char* kWrongDigest = "has another SHA-256 than it should; get the image anew";

std::string path_of(const std::string& digest) {
    return "blobs/sha256/" + digest.substr(kSha256.size());
}

Result<> check_digest(std::string_view text, const std::string& digest) {
    Sha256 sha;
    sha.add(std::as_bytes(std::span(text)));
    if (digest != std::string(kSha256) + sha.take()) return Error{"blob", 0, kWrongDigest};
    return Ok{};
}

// A layer is a tar, compressed or not; some are encrypted, and some "images" are no file systems.
Result<> check_layer_type(const Descriptor& layer) {
    const std::string_view type = layer.media_type;
    if (type.find(".tar") == std::string_view::npos ||
        type.find("encrypted") != std::string_view::npos)
        return Error{"layer", 0, "is no tar, so this is no image of a file system"};
    return Ok{};
}

// The digest that the name of a file promises, as Docker names most; "" if it does not.
std::string promised_digest(const std::string& path) {
    const std::string_view suffix = ".json";
    std::string name = path.substr(path.rfind('/') + 1);
    if (name.ends_with(suffix)) name.resize(name.size() - suffix.size());
    const std::string digest = std::string(kSha256) + name;
    return is_sha256_digest(digest) ? digest : "";
}

}  // namespace

Error Bundle::about(const Error& error, const std::string& path) const {
    return error.about(name_ + ": " + path);
}

// What a name leads to is looked at before it is opened: to open a device node is to use a device.
Result<UniqueFd> Bundle::open(const std::string& path) const {
    const UniqueFd found = open_in_root(folder_.get(), path.c_str(), O_PATH);
    if (!found) return about(Error::from_errno("open"), path);
    struct stat status {};
    if (::fstat(found.get(), &status) != 0) return about(Error::from_errno("stat"), path);
    if (!S_ISREG(status.st_mode)) return about(Error{"open", 0, "is no regular file"}, path);
    UniqueFd file(::open(descriptor_path(found.get()).c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return about(Error::from_errno("open"), path);
    return file;
}

Result<std::string> Bundle::read(const std::string& path) const {
    const UniqueFd file = TRY(open(path));
    auto text = read_all(file.get());
    if (!text.ok()) return about(text.error(), path);
    return text;
}

Result<std::string> Bundle::read_blob(const std::string& digest) const {
    std::string text = TRY(read(path_of(digest)));
    const auto checked = check_digest(text, digest);
    if (!checked.ok()) return about(checked.error(), path_of(digest));
    return text;
}

bool Bundle::is_oci() const {
    return open("oci-layout").ok() && open(kIndex).ok();
}

bool Bundle::is_docker() const {
    const auto text = read(kDockerManifest);
    return (text.ok() && parse_docker_manifest(text.value()).ok()) || is_old_docker();
}

bool Bundle::looks_like_docker() const {
    const auto text = read(kDockerManifest);
    return text.ok() && text.value().starts_with('[') &&
           text.value().find("\"Layers\"") != std::string::npos;
}

bool Bundle::is_skopeo_dir() const {
    const auto text = read("version");
    return text.ok() && text.value().starts_with("Directory Transport Version:");
}

// Of Docker before 1.10, which wrote no manifest.
bool Bundle::is_old_docker() const {
    const auto text = read(kRepositories);
    if (!text.ok()) return false;
    const auto ids = parse_repositories(text.value());
    return ids.ok() && !ids.value().empty() && open(ids.value().front() + "/json").ok();
}

// An index may lead to another index, for several platforms, and that is as deep as they get.
Result<std::string> Bundle::find_manifest(std::string_view tag) const {
    constexpr int kMostIndexes = 4;
    std::string text = TRY(read(kIndex));
    std::string path = kIndex;
    for (int depth = 0; depth < kMostIndexes; ++depth) {
        const auto index = parse_index(text);
        if (!index.ok()) return about(index.error(), path);
        const auto chosen = choose(index.value(), depth == 0 ? tag : "",
                                   depth == 0 ? Choice::kOnly : Choice::kFirst);
        if (!chosen.ok()) return chosen.error().about(name_);
        text = TRY(read_blob(chosen.value().digest));
        path = path_of(chosen.value().digest);
        if (!is_index(text)) return text;
    }
    return Error{"index.json", 0, "leads from index to index"}.about(name_);
}

Result<ImageConfig> Bundle::check_config(std::string_view text) const {
    auto config = parse_image_config(text);
    if (!config.ok()) return about(config.error(), "image configuration");
    const ImageConfig& image = config.value();
    if ((!image.os.empty() && image.os != "linux") ||
        (!image.architecture.empty() && image.architecture != "amd64"))
        return Error{"image", 0,
                     job_.words.keep("is for " + image.os + "/" + image.architecture +
                                     "; guests run linux/amd64")}
            .about(name_);
    return config;
}

Result<> Bundle::unpack_oci(std::string_view tag, StagingTree& tree, Unpacker& unpacker) {
    const auto manifest = parse_manifest(TRY(find_manifest(tag)));
    if (!manifest.ok()) return about(manifest.error(), "image manifest");
    const auto& [description, layers] = manifest.value();
    const ImageConfig config = TRY(check_config(TRY(read_blob(description.digest))));
    for (const Descriptor& layer : layers) {
        const auto checked = check_layer_type(layer);
        if (!checked.ok()) return about(checked.error(), path_of(layer.digest));
        TRY(unpack_layer(path_of(layer.digest), layer.digest, Digest::kOfFile, unpacker));
    }
    return write_run_config(config.run, tree);
}

Result<> Bundle::unpack_docker(StagingTree& tree, Unpacker& unpacker) {
    const auto text_of_all = read(kDockerManifest);
    if (!text_of_all.ok() && is_old_docker()) return unpack_old_docker(tree, unpacker);
    const auto images = parse_docker_manifest(TRY(text_of_all));
    if (!images.ok()) return about(images.error(), kDockerManifest);
    if (images.value().size() != 1)
        return about(Error{"images", 0, "must be one, not none or several; save one alone"},
                     kDockerManifest);
    const SavedImage& image = images.value().front();
    const std::string text = TRY(read(image.config));
    const std::string promised = promised_digest(image.config);
    if (!promised.empty()) {
        const auto checked = check_digest(text, promised);
        if (!checked.ok()) return about(checked.error(), image.config);
    }
    const ImageConfig config = TRY(check_config(text));
    if (config.diff_ids.size() != image.layers.size())
        return about(Error{"layers", 0, "are more or fewer than the configuration has"},
                     kDockerManifest);
    for (size_t i = 0; i < image.layers.size(); ++i) {
        const std::string of_file = promised_digest(image.layers[i]);
        TRY(of_file.empty()
                ? unpack_layer(image.layers[i], config.diff_ids[i], Digest::kOfContent, unpacker)
                : unpack_layer(image.layers[i], of_file, Digest::kOfFile, unpacker));
    }
    return write_run_config(config.run, tree);
}

Result<> Bundle::unpack_old_docker(StagingTree& tree, Unpacker& unpacker) {
    constexpr size_t kMostLayers = 1000;  // Docker's limit was 127
    const auto ids = parse_repositories(TRY(read(kRepositories)));
    if (!ids.ok()) return about(ids.error(), kRepositories);
    if (ids.value().size() != 1)
        return about(Error{"images", 0, "must be one, not several; save one alone"}, kRepositories);
    const std::string& highest = ids.value().front();
    const ImageConfig config = TRY(check_config(TRY(read(highest + "/json"))));
    std::vector<std::string> layers;
    for (std::string id = highest; !id.empty();) {
        if (layers.size() == kMostLayers)
            return about(Error{"layers", 0, "are more than a thousand, or in a circle"}, highest);
        const auto parent = parse_parent(TRY(read(id + "/json")));
        if (!parent.ok()) return about(parent.error(), id + "/json");
        layers.push_back(id + "/layer.tar");
        id = parent.value();
    }
    std::ranges::reverse(layers);
    for (const std::string& layer : layers)
        TRY(unpack_layer(layer, "", Digest::kUnknown, unpacker));
    return write_run_config(config.run, tree);
}

Result<> Bundle::unpack_layer(const std::string& path, const std::string& digest, Digest kind,
                              Unpacker& unpacker) {
    const UniqueFd file = TRY(open(path));
    const std::string name = name_ + ": " + path;
    Archive archive = TRY(Archive::open(file.get(), name, job_));
    TRY(unpacker.unpack(archive, name, Whiteouts::kApplied));
    if (kind == Digest::kUnknown || (kind == Digest::kOfContent && archive.is_compressed()))
        return Ok{};
    if (digest != std::string(kSha256) + TRY(archive.finish()))
        return Error{"layer", 0, kWrongDigest}.about(name);
    return Ok{};
}
