// File systems of trees, by the tools that know them. An image depends on its tree alone: not on
// the time, the caller's settings or where the tree lies. Main thread.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.hpp"
#include "rootfs/mkimage/job.hpp"

// Every image has the same: what is made from the same must be the same, and a guest finds its
// disks by their place.
constexpr const char* kImageUuid = "6d61796f-666c-4779-8000-000000000001";

// The time at which every image was made: SOURCE_DATE_EPOCH if the caller has set it, else 0.
// Errors: it is no number.
Result<uint32_t> image_time();

// Each fills the empty file `image` with the folder `tree`; both are descriptors.
Result<> make_erofs(int tree, int image, uint32_t time, Job& job);
Result<> make_squashfs(int tree, int image, uint32_t time, Job& job);
// size: bytes; none: as large as the tree needs, and room to work in.
Result<> make_ext4(int tree, int image, uint32_t time, std::optional<uint64_t> size, Job& job);
