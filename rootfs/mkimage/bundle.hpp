// A folder of blobs: an OCI image layout, or what a `docker save` archive, of today's form or the
// first one, was unpacked to. Paths in
// it come from strangers and cannot lead out. Main thread.
#pragma once

#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "rootfs/mkimage/image_documents.hpp"
#include "rootfs/mkimage/job.hpp"
#include "rootfs/mkimage/staging_tree.hpp"
#include "rootfs/mkimage/unpack.hpp"

class Bundle {
public:
    // `folder` is the bundle's; `name` is for error lines.
    Bundle(UniqueFd folder, std::string name, Job& job)
        : folder_(std::move(folder)), name_(std::move(name)), job_(job) {}

    // Unpacks the image with this tag of an OCI layout ("": its only one). Errors: a document or a
    // blob is missing, not what it should be, or has another digest.
    Result<> unpack_oci(std::string_view tag, StagingTree& tree, Unpacker& unpacker);

    // The same of a `docker save`.
    Result<> unpack_docker(StagingTree& tree, Unpacker& unpacker);

    bool is_oci() const;
    bool is_docker() const;

    // Of a folder, in which nothing is parsed outside of the sandbox.
    bool looks_like_docker() const;
    bool is_skopeo_dir() const;

private:
    // Errors: no regular file, or none.
    Result<UniqueFd> open(const std::string& path) const;
    Result<std::string> read(const std::string& path) const;
    Result<std::string> read_blob(const std::string& digest) const;
    Result<std::string> find_manifest(std::string_view tag) const;
    Result<ImageConfig> check_config(std::string_view text) const;
    // kOfFile: the digest is of the file. kOfContent: of what it is uncompressed, which is known
    // only of a file that is not compressed.
    enum class Digest { kOfFile, kOfContent, kUnknown };
    bool is_old_docker() const;
    Result<> unpack_old_docker(StagingTree& tree, Unpacker& unpacker);
    Result<> unpack_layer(const std::string& path, const std::string& digest, Digest kind,
                          Unpacker& unpacker);
    Error about(const Error& error, const std::string& path) const;

    UniqueFd folder_;
    std::string name_;
    Job& job_;
};
