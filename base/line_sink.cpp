#include "base/line_sink.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

Result<UniqueFd> open_line_sink(const char* path) {
    // O_NONBLOCK means nothing to a file.
    constexpr int kFlags = O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
    constexpr mode_t kMode = 0644;
    UniqueFd fd(::open(path, O_RDWR | kFlags, kMode));
    // What may be written but not read: then a FIFO needs its reader first.
    if (!fd && errno == EACCES) fd = UniqueFd(::open(path, O_WRONLY | kFlags, kMode));
    if (!fd) {
        const char* const hint = errno == ENXIO ? "it is a FIFO without a reader, and may not be "
                                                  "opened for reading"
                                                : nullptr;
        return Error::from_errno("open", hint).about(path);
    }
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) return Error::from_errno("fstat").about(path);
    if (S_ISBLK(status.st_mode))
        return Error{"open", 0, "is a block device; name a file or a FIFO"}.about(path);
    return fd;
}

ssize_t write_once(int fd, std::span<const char> bytes) {
    for (;;) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written >= 0 || errno != EINTR) return written;
    }
}
