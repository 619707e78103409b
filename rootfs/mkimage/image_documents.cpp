#include "rootfs/mkimage/image_documents.hpp"

#include <algorithm>
#include <utility>

#include "rootfs/mkimage/digest.hpp"
#include "rootfs/mkimage/json.hpp"

// Structures are filled field by field: a TRY that returns from within a braced initializer leaks
// the members before it, with GCC and with Clang.
namespace {

constexpr const char* kTagAnnotation = "org.opencontainers.image.ref.name";

Result<Descriptor> parse_descriptor(const Json& json) {
    const Json platform = json.member("platform");
    Descriptor descriptor;
    descriptor.media_type = TRY(json.member("mediaType").text_or_empty("mediaType"));
    descriptor.digest = TRY(json.member("digest").text("digest"));
    descriptor.tag =
        TRY(json.member("annotations").member(kTagAnnotation).text_or_empty(kTagAnnotation));
    descriptor.os = TRY(platform.member("os").text_or_empty("os"));
    descriptor.architecture = TRY(platform.member("architecture").text_or_empty("architecture"));
    descriptor.variant = TRY(platform.member("variant").text_or_empty("variant"));
    if (!is_sha256_digest(descriptor.digest))
        return Error{"digest", 0, "is not sha256: and 64 digits; others are not known"};
    return descriptor;
}

Result<std::vector<Descriptor>> parse_descriptors(const Json& array, const char* name) {
    std::vector<Descriptor> result;
    for (const Json& element : TRY(array.elements(name)))
        result.push_back(TRY(parse_descriptor(element)));
    return result;
}

Result<Json> parse_object(std::string_view text) {
    Json json = TRY(Json::parse(text));
    if (!json.is_object()) return Error{"JSON", 0, "is no object"};
    return json;
}

Result<RunConfig> parse_run_config(const Json& json) {
    RunConfig run;
    run.arguments = TRY(json.member("Entrypoint").texts_or_none("Entrypoint"));
    run.environment = TRY(json.member("Env").texts_or_none("Env"));
    run.workdir = TRY(json.member("WorkingDir").text_or_empty("WorkingDir"));
    run.user = TRY(json.member("User").text_or_empty("User"));
    run.volumes = TRY(json.member("Volumes").names_or_none("Volumes"));
    const std::vector<std::string> command = TRY(json.member("Cmd").texts_or_none("Cmd"));
    run.arguments.insert(run.arguments.end(), command.begin(), command.end());
    return run;
}

bool says_platform(const Descriptor& descriptor) {
    return !descriptor.os.empty() || !descriptor.architecture.empty();
}

bool is_ours(const Descriptor& descriptor) {
    return descriptor.os == "linux" && descriptor.architecture == "amd64";
}

}  // namespace

Result<std::vector<Descriptor>> parse_index(std::string_view text) {
    return parse_descriptors(TRY(parse_object(text)).member("manifests"), "manifests");
}

Result<ImageManifest> parse_manifest(std::string_view text) {
    const Json json = TRY(parse_object(text));
    ImageManifest manifest;
    manifest.config = TRY(parse_descriptor(json.member("config")));
    manifest.layers = TRY(parse_descriptors(json.member("layers"), "layers"));
    return manifest;
}

bool is_index(std::string_view text) {
    const auto json = Json::parse(text);
    return json.ok() && json.value().member("manifests").is_array();
}

Result<std::vector<SavedImage>> parse_docker_manifest(std::string_view text) {
    std::vector<SavedImage> images;
    for (const Json& image : TRY(TRY(Json::parse(text)).elements("manifest.json"))) {
        SavedImage saved;
        saved.config = TRY(image.member("Config").text("Config"));
        saved.layers = TRY(image.member("Layers").texts_or_none("Layers"));
        images.push_back(std::move(saved));
    }
    return images;
}

Result<std::vector<std::string>> parse_repositories(std::string_view text) {
    const Json json = TRY(parse_object(text));
    std::vector<std::string> ids;
    for (const std::string& name : TRY(json.names_or_none("repositories"))) {
        const Json tags = json.member(name.c_str());
        for (const std::string& tag : TRY(tags.names_or_none("repositories")))
            ids.push_back(TRY(tags.member(tag.c_str()).text("ID")));
    }
    std::ranges::sort(ids);
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
}

Result<std::string> parse_parent(std::string_view text) {
    return TRY(parse_object(text)).member("parent").text_or_empty("parent");
}

Result<ImageConfig> parse_image_config(std::string_view text) {
    const Json json = TRY(parse_object(text));
    ImageConfig image;
    image.os = TRY(json.member("os").text_or_empty("os"));
    image.architecture = TRY(json.member("architecture").text_or_empty("architecture"));
    image.diff_ids = TRY(json.member("rootfs").member("diff_ids").texts_or_none("diff_ids"));
    image.run = TRY(parse_run_config(json.member("config")));
    return image;
}

Result<Descriptor> choose(const std::vector<Descriptor>& from, std::string_view tag,
                          Choice choice) {
    std::vector<Descriptor> left;
    std::ranges::copy_if(from, std::back_inserter(left), [&](const Descriptor& descriptor) {
        return (tag.empty() || descriptor.tag == tag) &&
               (!says_platform(descriptor) || is_ours(descriptor));
    });
    if (left.empty())
        return tag.empty() ? Error{"image", 0, "none in it is for linux/amd64"}
                           : Error{"image", 0, "none in it has this tag and is for linux/amd64"};
    // Those that name our platform go before those that name none (attestations and the like).
    if (std::ranges::any_of(left, is_ours))
        std::erase_if(left, [](const Descriptor& descriptor) { return !is_ours(descriptor); });
    // Who has no variant means the first.
    const auto variant_of = [](const Descriptor& descriptor) {
        return descriptor.variant.empty() ? std::string("v1") : descriptor.variant;
    };
    const std::string oldest =
        variant_of(*std::ranges::min_element(left, std::ranges::less{}, variant_of));
    std::erase_if(left,
                  [&](const Descriptor& descriptor) { return variant_of(descriptor) != oldest; });
    const bool is_one = std::ranges::all_of(left, [&](const Descriptor& descriptor) {
        return descriptor.digest == left.front().digest;
    });
    if (is_one || choice == Choice::kFirst) return left.front();
    return Error{"image", 0, "several are in it; name one by its tag, as oci:FOLDER:TAG"};
}
