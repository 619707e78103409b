#include "rootfs/init/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

std::span<char> read_file(const char* path) {
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return {};
    char* bytes = nullptr;
    size_t size = 0;
    size_t capacity = 0;
    for (;;) {
        if (size == capacity) {
            capacity = capacity == 0 ? 4096 : 2 * capacity;  // files of /proc tell no size
            void* const grown = std::realloc(bytes, capacity);
            if (grown == nullptr) break;
            bytes = static_cast<char*>(grown);
        }
        const ssize_t count = ::read(fd, bytes + size, capacity - size);
        if (count <= 0) break;
        size += static_cast<size_t>(count);
    }
    ::close(fd);
    return {bytes, size};
}

bool write_file(const char* path, std::string_view text) {
    const int fd = ::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return false;
    const bool whole = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    ::close(fd);
    return whole;
}
