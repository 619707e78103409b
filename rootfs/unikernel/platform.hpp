// The machine underneath as far as it is the unikernel's own affair. What it shares with the
// monitor is in abi/.
#pragma once

#include <cstdint>

namespace platform {

constexpr uint64_t kPageSize = 4096;
constexpr uint64_t kMebibyte = 1 << 20;

// Everything the unikernel itself uses (boot structures, stack, its image) lies below.
constexpr uint64_t kFreeMemory = 0x200000;

}  // namespace platform
