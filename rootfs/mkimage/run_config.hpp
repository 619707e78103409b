// /.mayfly/config in an image: how the image wants to be run. The guest's init reads it. Main
// thread.
#pragma once

#include <string>

#include "base/result.hpp"
#include "rootfs/mkimage/image_documents.hpp"
#include "rootfs/mkimage/staging_tree.hpp"

// The file, in the form of abi/settings.hpp. "" when there is nothing to say.
std::string encode(const RunConfig& run);

// Writes it to the tree, if it says something. What the tree has at /.mayfly goes in any case: no
// layer may say how its image is run, and none may make a link of that name.
Result<> write_run_config(const RunConfig& run, StagingTree& tree);
