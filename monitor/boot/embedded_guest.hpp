// The guest that the binary carries: the ELF file of rootfs/unikernel, for `mayfly run` without
// `--kernel`. Constant for the life of the process and page-aligned. Any thread.
#pragma once

#include <cstddef>
#include <span>

// The first and the end of the file's bytes: embedded_guest.S.
extern "C" const std::byte embedded_guest_begin[];
extern "C" const std::byte embedded_guest_end[];

inline std::span<const std::byte> embedded_guest() {
    return {embedded_guest_begin, embedded_guest_end};
}
