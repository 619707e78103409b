// The block of 512 bytes that a tar archive has before each of its names: POSIX's ustar, star's,
// GNU's and what was before them. Any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "rootfs/mkimage/tar_entry.hpp"

constexpr size_t kTarBlockBytes = 512;
using TarBlock = std::array<char, kTarBlockBytes>;

struct TarHeader {
    std::string path;
    std::string target;
    char type = '0';
    mode_t mode = 0;
    int64_t owner = 0;
    int64_t group = 0;
    uint64_t size = 0;  // of what follows in the archive, whatever type it is of
    int64_t modified = 0;
    uint64_t major = 0;
    uint64_t minor = 0;
    // Of a sparse file of GNU's old form:
    uint64_t real_size = 0;
    std::vector<TarSegment> segments{};
    bool has_more_segments = false;  // in the block after this
};

bool is_zero(const TarBlock& block);

// Whether its checksum is right, by bytes with or without a sign.
bool is_tar_header(const TarBlock& block);

// Errors: a number is none, or too large. Precondition: is_tar_header().
Result<TarHeader> parse_tar_header(const TarBlock& block);

// One of the blocks that continue the segments of a sparse file. Returns whether another follows.
Result<bool> parse_more_segments(const TarBlock& block, std::vector<TarSegment>& segments);

// The kind of what a header of `type` is for.
TarKind kind_of(char type);
