// The time that an erofs says it was made. mkfs.erofs (1.5) has one option for it and for the times
// of all files, which must stay; so this one field is set afterwards. Main thread.
#pragma once

#include <cstdint>

#include "base/result.hpp"

// Sets the time in the superblock of the open file `image`, in seconds, and the superblock's
// checksum. Errors: it is no erofs.
Result<> set_erofs_time(int image, uint32_t time);
