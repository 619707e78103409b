// read(2) by the call that also reads at an offset: so a thread's filter needs one call for all
// that it reads.
#pragma once

#include <cstddef>
#include <span>

#include "base/vectored_io.hpp"

// What `fd` has now, from its position on. Errors: -1 with errno, as read(2).
inline ssize_t read_some(int fd, std::span<std::byte> to) {
    const iovec vector{to.data(), to.size()};
    return read_vectors(fd, {&vector, 1}, kFromPosition, 0);
}
