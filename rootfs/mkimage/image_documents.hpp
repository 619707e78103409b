// The JSON documents of a container image: OCI's image index, image manifest and image
// configuration, and Docker's manifest.json. They come from strangers. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

// What names a blob (OCI image specification, "Content Descriptors").
struct Descriptor {
    std::string media_type;
    std::string digest;  // checked: "sha256:" and 64 digits
    std::string tag;     // org.opencontainers.image.ref.name; empty: none
    std::string os;      // empty: not said
    std::string architecture;
    std::string variant{};  // of the architecture: amd64's v1 to v4
};

// An image index, or index.json of a layout. Errors: not one.
Result<std::vector<Descriptor>> parse_index(std::string_view text);

struct ImageManifest {
    Descriptor config;
    std::vector<Descriptor> layers;  // the lowest first
};
Result<ImageManifest> parse_manifest(std::string_view text);

// An index and a manifest look alike from outside; their descriptor may leave out which it is.
bool is_index(std::string_view text);

// One image of `docker save`; paths within the archive.
struct SavedImage {
    std::string config;
    std::vector<std::string> layers;  // the lowest first
};
Result<std::vector<SavedImage>> parse_docker_manifest(std::string_view text);

// Of `docker save` before Docker 1.10: each layer is a folder, named by an ID, with a document that
// leads to the layer below. "repositories" names the highest of each image; several names of one
// are one. Errors: not such a document.
Result<std::vector<std::string>> parse_repositories(std::string_view text);

// "": it is the lowest.
Result<std::string> parse_parent(std::string_view text);

// How an image wants to be run.
struct RunConfig {
    std::vector<std::string> arguments;    // Entrypoint and Cmd
    std::vector<std::string> environment;  // K=V
    std::string workdir;
    std::string user;
    std::vector<std::string> volumes;
};

struct ImageConfig {
    std::string os;
    std::string architecture;
    std::vector<std::string> diff_ids;  // of the layers, uncompressed
    RunConfig run;
};
Result<ImageConfig> parse_image_config(std::string_view text);

// Of what several descriptors name, the one that is wanted: by its tag, and then linux/amd64, for
// the oldest processors that there is one for; a single one that says nothing is taken. Of several
// that fit as well, kFirst takes the first, as container tools do within an image for several
// platforms. Errors: none fits; kOnly: several do.
enum class Choice { kOnly, kFirst };
Result<Descriptor> choose(const std::vector<Descriptor>& from, std::string_view tag, Choice choice);
