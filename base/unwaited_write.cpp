#include "base/unwaited_write.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include "base/io_control.hpp"
#include "base/line_sink.hpp"
#include "base/unique_fd.hpp"

namespace {

constexpr int kOwn = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

struct Found {
    WriteWay way = WriteWay::kPlain;
    bool has_reader = false;  // somebody may read what is written there, now or then
};

Found look_at(int fd) {
    constexpr unsigned kMemoryDevices = 1;  // /dev/null: Documentation/admin-guide/devices.txt
    struct stat status {};
    if (::fstat(fd, &status) != 0) return {};  // closed: every write fails at once
    if (S_ISSOCK(status.st_mode)) return {.way = WriteWay::kSocket};
    if (!S_ISFIFO(status.st_mode) &&
        (!S_ISCHR(status.st_mode) || major(status.st_rdev) == kMemoryDevices))
        return {};
    const int flags = ::fcntl(fd, F_GETFL);
    // Also a description that has O_NONBLOCK: who has given it to us may take that back.
    return {.way = (flags & O_NONBLOCK) != 0 ? WriteWay::kPlain : WriteWay::kPolled,
            .has_reader = (flags & O_ACCMODE) != O_RDONLY};
}

bool is_same_terminal(int one, int other) {
    unsigned one_device = 0;
    unsigned other_device = 0;
    return io_control(one, TIOCGDEV, &one_device) == 0 &&
           io_control(other, TIOCGDEV, &other_device) == 0 && one_device == other_device;
}

UniqueFd open_again(int fd) {
    unsigned pair = 0;
    if (io_control(fd, TIOCGPTN, &pair) == 0) return {};  // a master: that would be another pair
    std::array<char, 32> path{};
    std::snprintf(path.data(), path.size(), "/proc/self/fd/%d", fd);
    UniqueFd own(::open(path.data(), kOwn));
    if (own || ::isatty(fd) == 0) return own;
    // Of another user's terminal, after su(1), that is the one that may be opened.
    own = UniqueFd(::open("/dev/tty", kOwn));
    return own && is_same_terminal(own.get(), fd) ? std::move(own) : UniqueFd();
}

ssize_t write_if_polled(int fd, std::span<const char> bytes) {
    pollfd event{fd, POLLOUT, 0};
    if (::poll(&event, 1, 0) > 0)
        return write_once(fd, bytes.first(std::min(bytes.size(), kPolledBytes)));
    errno = EAGAIN;
    return -1;
}

}  // namespace

WriteWay write_way(int fd) {
    return look_at(fd).way;
}

WriteWay make_own(int fd) {
    const Found found = look_at(fd);
    if (!found.has_reader) return found.way;
    const UniqueFd own = open_again(fd);
    return own && ::dup2(own.get(), fd) == fd ? WriteWay::kPlain : found.way;
}

ssize_t write_unwaited(int fd, WriteWay way, std::span<const char> bytes) {
    if (way == WriteWay::kPlain) return write_once(fd, bytes);
    if (way == WriteWay::kPolled) return write_if_polled(fd, bytes);
    for (;;) {
        const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0 || errno != EINTR) return sent;
    }
}
