#include "monitor/console/output.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace {

// What polls writable takes this much without waiting: a pipe PIPE_BUF, a terminal less.
constexpr size_t kPolledBytes = 256;

bool waits_for_reader(mode_t mode) {
    return S_ISFIFO(mode) || S_ISCHR(mode);
}

// O_NONBLOCK belongs to the open file description, which stdout shares with the user's shell. A
// description of our own can have it without harm.
UniqueFd reopen_nonblocking(int fd) {
    std::array<char, 32> path{};
    std::snprintf(path.data(), path.size(), "/proc/self/fd/%d", fd);
    return UniqueFd(::open(path.data(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

}  // namespace

ConsoleOutput::ConsoleOutput(int fd, const EventFd& queued, Timeline& timeline)
    : queued_(queued),
      timeline_(timeline),
      write_fd_(fd),
      kind_(Kind::kNeverWaits),
      queue_(std::make_unique_for_overwrite<std::byte[]>(kQueueBytes)) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) return;  // closed: every write fails at once
    if (S_ISSOCK(status.st_mode)) {
        kind_ = Kind::kSocket;
    } else if (waits_for_reader(status.st_mode) && (::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0) {
        own_fd_ = reopen_nonblocking(fd);
        if (own_fd_)
            write_fd_ = own_fd_.get();
        else
            kind_ = Kind::kOnlyWhenPolled;
    }
}

size_t ConsoleOutput::write_now(std::span<const std::byte> bytes) {
    for (;;) {
        const ssize_t count =
            kind_ == Kind::kSocket
                ? ::send(write_fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                : ::write(write_fd_, bytes.data(), bytes.size());
        if (count >= 0) {
            timeline_.mark(Stage::kFirstOutput);
            return static_cast<size_t>(count);
        }
        if (errno == EINTR) continue;
        if (errno == EAGAIN) return 0;
        // The reader is gone or the disk is full: the guest runs on, its words are lost.
        metrics_.missed_write_count.add(bytes.size());
        return bytes.size();
    }
}

std::span<const std::byte> ConsoleOutput::enqueue(std::span<const std::byte> bytes) {
    size_t size = queue_size_.load(std::memory_order_relaxed);
    while (!bytes.empty() && size < kQueueBytes) {
        const size_t at = (queue_start_ + size) % kQueueBytes;
        const size_t count = std::min({bytes.size(), kQueueBytes - size, kQueueBytes - at});
        std::copy_n(bytes.begin(), count, queue_.get() + at);
        size += count;
        bytes = bytes.subspan(count);
    }
    queue_size_.store(size, std::memory_order_relaxed);
    return bytes;
}

void ConsoleOutput::transmit(std::span<const std::byte> bytes) {
    std::unique_lock lock(mutex_);
    const bool was_empty = queue_size_.load(std::memory_order_relaxed) == 0;
    if (was_empty && kind_ != Kind::kOnlyWhenPolled) bytes = bytes.subspan(write_now(bytes));
    if (bytes.empty()) return;
    bytes = enqueue(bytes);
    if (was_empty) queued_.signal();
    if (!bytes.empty()) bytes = enqueue_patiently(bytes);
    metrics_.missed_write_count.add(bytes.size());
}

std::span<const std::byte> ConsoleOutput::enqueue_patiently(std::span<const std::byte> bytes) {
    while (!bytes.empty() && !reader_stands_still_) {
        pollfd event{write_fd_, POLLOUT, 0};
        const int ready = ::poll(&event, 1, static_cast<int>(kPatience.count()));
        if (ready < 0 && errno == EINTR) break;  // the VM is being stopped
        if (ready <= 0) {
            reader_stands_still_ = true;
            break;
        }
        flush_locked();
        bytes = enqueue(bytes);
    }
    return bytes;
}

void ConsoleOutput::flush_locked() {
    size_t size = queue_size_.load(std::memory_order_relaxed);
    while (size > 0) {
        size_t count = std::min(size, kQueueBytes - queue_start_);
        if (kind_ == Kind::kOnlyWhenPolled) count = std::min(count, kPolledBytes);
        const size_t written = write_now(std::span(queue_.get() + queue_start_, count));
        if (written == 0) break;
        reader_stands_still_ = false;
        queue_start_ = (queue_start_ + written) % kQueueBytes;
        size -= written;
        if (kind_ == Kind::kOnlyWhenPolled) break;  // the next write may wait: poll again
    }
    queue_size_.store(size, std::memory_order_relaxed);
}

void ConsoleOutput::flush() {
    const std::lock_guard lock(mutex_);
    if (is_waiting()) metrics_.flush_count.add();
    flush_locked();
}

void ConsoleOutput::drain(int abandon) {
    const std::lock_guard lock(mutex_);
    while (queue_size_.load(std::memory_order_relaxed) > 0) {
        std::array<pollfd, 2> events{{{write_fd_, POLLOUT, 0}, {abandon, POLLIN, 0}}};
        if (::poll(events.data(), events.size(), -1) < 0 && errno != EINTR) return;
        if (events[1].revents != 0) return;
        if (events[0].revents != 0) flush_locked();
    }
}
