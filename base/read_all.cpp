#include "base/read_all.hpp"

#include <unistd.h>

#include <array>

Result<std::string> read_all(int fd) {
    constexpr size_t kMaxBytes = 1 << 20;
    std::string text;
    std::array<char, 4096> piece{};
    for (;;) {
        const ssize_t count = ::read(fd, piece.data(), piece.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Error::from_errno("read");
        if (count == 0) return text;
        text.append(piece.data(), static_cast<size_t>(count));
        if (text.size() > kMaxBytes) return Error{"read", EFBIG, "it may have 1 MiB"};
    }
}
