// What mke2fs -d (1.47) does not take from a tree as it should. Main thread.
#pragma once

#include <cstdint>

#include "base/result.hpp"

// Gives every inode of `image` the time of its modification for its other times, too: mke2fs copies
// when each file was last read and when its inode changed, which for a tree just unpacked is now.
// And gives the root folder the owner, permissions and time that `tree` itself has.
// `time`: when the image was made, not 0. Both are descriptors.
Result<> settle_ext4(int image, int tree, uint32_t time);
