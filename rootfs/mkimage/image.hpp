// From SOURCE to OUT. Main thread.
#pragma once

#include "base/result.hpp"
#include "rootfs/mkimage/image_options.hpp"
#include "rootfs/mkimage/job.hpp"

// Makes the image that `options` describe. Errors are about SOURCE, OUT or a tool.
Result<> make_image(const ImageOptions& options, Job& job);
