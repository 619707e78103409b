// What a tree takes in an ext4 file system. Main thread.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "rootfs/mkimage/job.hpp"

struct TreeUse {
    uint64_t inodes = 0;
    uint64_t blocks = 0;  // of kExt4BlockBytes, for content, names, links and extended attributes
};

constexpr uint64_t kExt4BlockBytes = 4096;
constexpr uint64_t kExt4InodeBytes = 256;

// Walks the folder `tree` and counts. Holes count as content.
Result<TreeUse> measure_tree(int tree, Job& job);
