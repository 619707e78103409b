// The serial line's way out: bytes go to stdout at once where it takes them, else into a bounded
// queue that the I/O thread empties as the reader reads.
//
// A reader that stands still for longer than kPatience while the queue is full costs bytes, not a
// vCPU: from then on bytes are dropped, and counted, until it reads again. So are those that a rate
// limiter, where there is one, leaves no room for.
// transmit() on vCPU threads, flush() on the I/O thread, drain() on main; one mutex.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>

#include "base/event_fd.hpp"
#include "base/unwaited_write.hpp"
#include "monitor/console/drain_limit.hpp"
#include "monitor/metrics/console_metrics.hpp"
#include "monitor/metrics/timeline.hpp"
#include "monitor/ports/serial.hpp"
#include "virtio/token_bucket.hpp"

class ConsoleOutput final : public SerialSink {
public:
    static constexpr size_t kQueueBytes = 256 << 10;
    static constexpr std::chrono::milliseconds kPatience{1000};

    // `fd`, which is written to as it is found, and `timeline` outlive the object. `queued` is
    // signalled when bytes begin to wait. `limit`: of bytes.
    ConsoleOutput(int fd, const EventFd& queued, Timeline& timeline,
                  const TokenBucketConfig& limit = {});

    void transmit(std::span<const std::byte> bytes) override;
    bool has_room() const override {
        return queue_size_.load(std::memory_order_relaxed) < kQueueBytes;
    }

    // True while bytes wait for the reader: then the I/O thread polls fd() for POLLOUT.
    bool is_waiting() const { return queue_size_.load(std::memory_order_relaxed) > 0; }
    size_t waiting_bytes() const { return queue_size_.load(std::memory_order_relaxed); }
    int fd() const { return fd_; }

    // Writes what the reader takes now. I/O thread, when fd() was polled writable.
    void flush();

    // Writes all that waits, until the reader has taken it, `limit` is reached, or `abandon` (a
    // descriptor) becomes readable. What then still waits is lost. Main, after the vCPUs and the
    // I/O thread have ended.
    void drain(int abandon, const DrainLimit& limit);

    // Bytes that were lost: to a reader that stood still, or by error().
    uint64_t dropped_bytes() const { return metrics_.missed_write_count.value(); }
    // Why the first write failed, an errno: EPIPE where the reader is gone. 0: none has.
    int error() const { return error_.load(std::memory_order_relaxed); }
    const ConsoleMetrics& metrics() const { return metrics_; }

private:
    // Takes off what the limiter leaves no room for. With the mutex held.
    std::span<const std::byte> limited(std::span<const std::byte> bytes);
    // Bytes written, 0 where the reader is not ready. A reader that is gone takes everything. Where
    // fd() can only be polled, the caller has done so.
    size_t write_now(std::span<const std::byte> bytes);
    // Adds what fits to the queue, and returns the rest. With the mutex held, like the next two.
    std::span<const std::byte> enqueue(std::span<const std::byte> bytes);
    void flush_locked();
    // The same for a full queue: waits for the reader, here and not for the I/O thread, which may
    // itself wait for the serial port's lock that our caller holds.
    std::span<const std::byte> enqueue_patiently(std::span<const std::byte> bytes);

    const EventFd& queued_;
    Timeline& timeline_;
    const int fd_;
    const WriteWay way_;

    std::mutex mutex_;  // guards what follows
    TokenBucket limit_;
    bool reader_stands_still_ = false;
    bool is_poll_outdated_ = false;  // a vCPU has written since: what was polled may be full again
    size_t queue_start_ = 0;
    std::unique_ptr<std::byte[]> queue_;  // a ring of kQueueBytes, touched only when used
    std::atomic<size_t> queue_size_{0};   // written under the mutex
    std::atomic<int> error_{0};           // the same
    ConsoleMetrics metrics_;
};
