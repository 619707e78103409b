// preadv2(2) and pwritev2(2), each as the system call of its name: musl turns one without flags
// into another call, readv(2) or preadv(2), which a thread's filter would have to know as well.
#pragma once

#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <span>

// As an offset: from the file's position on, or a file without positions.
constexpr off_t kFromPosition = -1;

// `flags`: RWF_* or 0. Errors: -1 with errno, as preadv2(2).
inline ssize_t read_vectors(int fd, std::span<const iovec> to, off_t offset, int flags) {
    return ::syscall(SYS_preadv2, fd, to.data(), to.size(), offset, 0L, flags);
}

// `flags`: RWF_* or 0. Errors: -1 with errno, as pwritev2(2).
inline ssize_t write_vectors(int fd, std::span<const iovec> from, off_t offset, int flags) {
    return ::syscall(SYS_pwritev2, fd, from.data(), from.size(), offset, 0L, flags);
}
