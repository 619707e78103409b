#include "monitor/console/output.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/line_sink.hpp"
#include "base/monotonic_clock.hpp"

ConsoleOutput::ConsoleOutput(int fd, const EventFd& queued, Timeline& timeline,
                             const TokenBucketConfig& limit)
    : queued_(queued),
      timeline_(timeline),
      fd_(fd),
      way_(write_way(fd)),
      limit_(limit, monotonic_ns()),
      queue_(std::make_unique_for_overwrite<std::byte[]>(kQueueBytes)) {}

size_t ConsoleOutput::write_now(std::span<const std::byte> bytes) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    const std::span text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const ssize_t count = way_ == WriteWay::kPolled
                              ? write_once(fd_, text.first(std::min(text.size(), kPolledBytes)))
                              : write_unwaited(fd_, way_, text);
    if (count >= 0) {
        timeline_.mark(Stage::kFirstOutput);
        return static_cast<size_t>(count);
    }
    if (errno == EAGAIN) return 0;
    // The reader is gone or the disk is full: these words are lost.
    if (error() == 0) error_.store(errno == ECONNRESET ? EPIPE : errno, std::memory_order_relaxed);
    metrics_.missed_write_count.add(bytes.size());
    return bytes.size();
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

std::span<const std::byte> ConsoleOutput::limited(std::span<const std::byte> bytes) {
    if (!limit_.is_limited()) return bytes;
    const uint64_t passing = limit_.take_what_may_pass(bytes.size(), monotonic_ns());
    metrics_.rate_limiter_dropped_bytes.add(bytes.size() - passing);
    return bytes.first(passing);
}

void ConsoleOutput::transmit(std::span<const std::byte> bytes) {
    std::unique_lock lock(mutex_);
    bytes = limited(bytes);
    const bool was_empty = queue_size_.load(std::memory_order_relaxed) == 0;
    if (was_empty && way_ != WriteWay::kPolled) bytes = bytes.subspan(write_now(bytes));
    if (bytes.empty()) return;
    bytes = enqueue(bytes);
    if (was_empty) queued_.signal();
    if (!bytes.empty()) bytes = enqueue_patiently(bytes);
    metrics_.missed_write_count.add(bytes.size());
}

std::span<const std::byte> ConsoleOutput::enqueue_patiently(std::span<const std::byte> bytes) {
    while (!bytes.empty() && !reader_stands_still_) {
        pollfd event{fd_, POLLOUT, 0};
        const int ready = ::poll(&event, 1, static_cast<int>(kPatience.count()));
        if (ready < 0 && errno == EINTR) break;  // the VM is being stopped
        if (ready <= 0) {
            reader_stands_still_ = true;
            break;
        }
        flush_locked();
        is_poll_outdated_ = true;
        bytes = enqueue(bytes);
    }
    return bytes;
}

void ConsoleOutput::flush_locked() {
    size_t size = queue_size_.load(std::memory_order_relaxed);
    while (size > 0) {
        const size_t count = std::min(size, kQueueBytes - queue_start_);
        const size_t written = write_now(std::span(queue_.get() + queue_start_, count));
        if (written == 0) break;
        reader_stands_still_ = false;
        queue_start_ = (queue_start_ + written) % kQueueBytes;
        size -= written;
        if (way_ == WriteWay::kPolled) break;  // the next write may wait: poll again
    }
    queue_size_.store(size, std::memory_order_relaxed);
}

void ConsoleOutput::flush() {
    const std::lock_guard lock(mutex_);
    // Then it is polled again.
    if (std::exchange(is_poll_outdated_, false) && way_ == WriteWay::kPolled) return;
    if (is_waiting()) metrics_.flush_count.add();
    flush_locked();
}

void ConsoleOutput::drain(int abandon, const DrainLimit& limit) {
    const std::lock_guard lock(mutex_);
    uint64_t moved_ns = monotonic_ns();
    while (queue_size_.load(std::memory_order_relaxed) > 0) {
        std::array<pollfd, 2> events{{{fd_, POLLOUT, 0}, {abandon, POLLIN, 0}}};
        const int left_ms = milliseconds_until(limit.end_ns(moved_ns));
        const int ready = left_ms == 0 ? 0 : ::poll(events.data(), events.size(), left_ms);
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0 || events[1].revents != 0) break;
        const size_t before = queue_size_.load(std::memory_order_relaxed);
        flush_locked();
        if (queue_size_.load(std::memory_order_relaxed) < before) moved_ns = monotonic_ns();
    }
    metrics_.missed_write_count.add(queue_size_.exchange(0, std::memory_order_relaxed));
}
