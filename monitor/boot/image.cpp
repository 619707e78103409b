#include "monitor/boot/image.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

Result<Image> Image::open(const char* path) {
    // O_NONBLOCK: opening a FIFO without a writer must not wait.
    UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!fd) return Error::from_errno("open").about(path);
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) return Error::from_errno("fstat").about(path);
    if (S_ISDIR(status.st_mode)) return Error{"open", EISDIR, "name a file"}.about(path);
    if (!S_ISREG(status.st_mode))
        return Error{"image", 0, "is not a regular file; copy it to one"}.about(path);
    if (status.st_size == 0) return Error{"image", 0, "is empty"}.about(path);
    return Image{std::move(fd), static_cast<uint64_t>(status.st_size), path};
}

Result<> Image::read(uint64_t offset, std::span<std::byte> to) const {
    if (offset > size_ || to.size() > size_ - offset)
        return Error{"read", ENODATA, "the image ends before this offset", offset}.about(name());
    if (!fd_) {
        const auto from = bytes_.subspan(offset, to.size());
        std::copy(from.begin(), from.end(), to.begin());
        return Ok{};
    }
    while (!to.empty()) {
        const ssize_t count = ::pread(fd_.get(), to.data(), to.size(), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Error::from_errno("read").about(name());
        if (count == 0)
            return Error{"read", ENODATA, "the file was cut short meanwhile", offset}.about(name());
        to = to.subspan(static_cast<size_t>(count));
        offset += static_cast<uint64_t>(count);
    }
    return Ok{};
}
