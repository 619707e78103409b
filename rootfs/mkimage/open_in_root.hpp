// Paths of strangers, resolved by the kernel as if a folder were the root: no "..", absolute path
// or link leads out. Main thread.
#pragma once

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/unique_fd.hpp"

// Opens `path` in the folder `root`. Not open: errno says why.
inline UniqueFd open_in_root(int root, const char* path, uint64_t flags) {
    // EAGAIN: something was renamed or mounted somewhere on this machine while a ".." was followed.
    constexpr int kMostAttempts = 10'000;
    const open_how how{
        .flags = flags | O_CLOEXEC, .mode = 0, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    for (int attempt = 1;; ++attempt) {
        UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, root, path, &how, sizeof(how))));
        if (fd || errno != EAGAIN || attempt == kMostAttempts) return fd;
    }
}
