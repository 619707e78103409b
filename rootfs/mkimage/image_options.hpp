// The command line of mayfly-image. Main thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/options.hpp"
#include "base/result.hpp"
#include "rootfs/mkimage/expansion.hpp"

enum class ImageFormat { kErofs, kSquashfs, kExt4 };

// As on the command line.
const char* name_of(ImageFormat format);

// kPath: a folder or an archive; what it is shows when it is opened.
enum class SourceKind { kPath, kStdin, kDockerArchive, kOciLayout };

struct SourceName {
    const char* text = "";  // as given, for error lines
    SourceKind kind = SourceKind::kPath;
    std::string path;
    std::string tag;  // of an OCI layout; empty: the only image in it

    // Errors: a prefix without a path.
    static Result<SourceName> parse(const char* text);
};

struct ImageOptions {
    SourceName source;
    const char* out = "";
    ImageFormat format = ImageFormat::kErofs;
    std::optional<uint64_t> size;  // bytes; of ext4 only
    uint64_t most_times = Expansion::kDefaultTimes;
    // Not for users: this process is the one under fakeroot and fills what the process which the
    // user started has made and handed over (tool.hpp).
    bool is_in_workplace = false;
    Asked asked = Asked::kNothing;

    // Errors name the argument at fault, and the remedy.
    static Result<ImageOptions> parse(std::span<const char* const> arguments);
};
