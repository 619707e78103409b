// Archives into a StagingTree, one after the other: a plain archive, or the layers of an image from
// the lowest up (OCI image specification, "Image Layer Filesystem Changeset"). Main thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/result.hpp"
#include "rootfs/mkimage/archive.hpp"
#include "rootfs/mkimage/expansion.hpp"
#include "rootfs/mkimage/job.hpp"
#include "rootfs/mkimage/staging_tree.hpp"

// kAsNames: a file named .wh.x is a file. kApplied: it removes x of the layers below.
enum class Whiteouts { kAsNames, kApplied };

// What archives may unpack to, all together, however large they are themselves.
struct UnpackLimits {
    uint64_t bytes;
    uint64_t entries;
    uint64_t layer_name_bytes;  // of one layer: its names are kept in memory

    // Half of what is free where `folder` is: tree and image must both fit.
    static Result<UnpackLimits> of(int folder);
};

class Unpacker {
public:
    // All of them outlive this.
    Unpacker(StagingTree& tree, UnpackLimits limits, Expansion& expansion, Job& job)
        : tree_(tree), limits_(limits), expansion_(expansion), job_(job) {}

    // Unpacks all of `archive`. Errors name `name` and the entry.
    Result<> unpack(Archive& archive, const std::string& name, Whiteouts whiteouts);

private:
    Result<> unpack_entry(const TarEntry& entry, Archive& archive, Whiteouts whiteouts);
    Result<std::string> put(const TarEntry& entry, const std::string& path, Archive& archive);
    Result<std::string> put_file(const std::string& path, const Attributes& attributes,
                                 Archive& archive, uint64_t size);
    Result<> white_out(const std::string& path);
    Result<> write_content(int file, Archive& archive, uint64_t size);
    Result<> count_entries(uint64_t entries);
    Result<> count(uint64_t bytes);
    Result<> note_own(const std::string& place);

    StagingTree& tree_;
    UnpackLimits limits_;  // what is left of them
    Expansion& expansion_;
    Job& job_;
    uint64_t unpacked_bytes_ = 0;
    uint64_t implied_folders_ = 0;  // of the tree's, those that were charged
    // Places that the archive at hand has put something at, and the folders they are in. A
    // whiteout spares them, wherever in the archive it stands. Only where there are whiteouts.
    std::unordered_set<std::string> own_;
    uint64_t own_bytes_ = 0;  // of their names
};

// `name` without what means nothing: "./a//b/" is "a/b", "/a" is "a", "./" is "".
// Errors: empty; a part is "..".
Result<std::string> clean_path(std::string_view name);
