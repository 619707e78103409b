// What the tool of a format would lose of a tree without a word, or with one that names no file:
// looked for before it runs. Main thread.
#pragma once

#include "base/result.hpp"
#include "rootfs/mkimage/image_options.hpp"
#include "rootfs/mkimage/job.hpp"

// Errors: something in the open folder `tree` cannot be read, or not be kept; it is named, with a
// format that keeps it.
Result<> check_tree(int tree, ImageFormat format, Job& job);
