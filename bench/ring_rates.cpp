// What a plain io_uring program does of what a guest does, a second: random reads of a file, frames
// into a TAP. METHOD.md, "mayfly-bench block" and "net".
#include <sys/uio.h>

#include <algorithm>
#include <cstring>

#include "bench/probe.hpp"
#include "bench/uring.hpp"

namespace {

constexpr uint64_t kBlockBytes = 4096;
constexpr size_t kHeaderBytes = 12;  // virtio_net_hdr_v1, all zero: the frame is as it is
constexpr size_t kNumberAt = kHeaderBytes + 14;

// The guest's generator, so that both read the same blocks in the same order
// (rootfs/unikernel/pattern.hpp).
class XorShift {
public:
    uint64_t next() {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return state_;
    }

private:
    uint64_t state_ = 88172645463325252;
};

// `count` reads through a new ring, `depth` always in flight.
class RingReads : public Probe {
public:
    explicit RingReads(const Fields& fields)
        : fd_(static_cast<int>(fields.number("fd"))),
          blocks_(std::max<uint64_t>(fields.number("size_bytes") / kBlockBytes, 1)),
          count_(fields.number("count")),
          depth_(static_cast<unsigned>(fields.number("depth"))) {}

    Result<std::vector<double>> measure(uint64_t) override {
        const std::unique_ptr<Uring> uring = TRY(Uring::create(depth_, fd_));
        std::vector<char> buffers(depth_ * kBlockBytes);
        XorShift random;
        uint64_t started = 0;
        const auto start_read = [&](uint64_t slot) {
            if (started == count_) return;
            ++started;
            uring->add(slot, [&](io_uring_sqe* entry) {
                ::io_uring_prep_read(entry, 0, &buffers[slot * kBlockBytes], kBlockBytes,
                                     random.next() % blocks_ * kBlockBytes);
            });
        };

        const double start_us = now_us();
        for (uint64_t slot = 0; slot < depth_; ++slot) start_read(slot);
        int result_that_failed = kBlockBytes;
        for (uint64_t done = 0; done < count_;) {
            TRY(uring->submit_and_wait(1));
            done += uring->take_all([&](uint64_t slot, int result) {
                if (result != static_cast<int>(kBlockBytes)) result_that_failed = result;
                start_read(slot);
            });
        }
        const double elapsed_us = now_us() - start_us;
        if (result_that_failed < 0) return Error{"read", -result_that_failed};
        if (result_that_failed != static_cast<int>(kBlockBytes)) return Error{"read", EIO};
        return std::vector<double>{static_cast<double>(count_) * 1e6 / elapsed_us};
    }

private:
    int fd_;
    uint64_t blocks_;
    uint64_t count_;
    unsigned depth_;
};

// The guest's frame but for the source (rootfs/unikernel/frame.hpp), with the header before it.
std::vector<char> make_frame(size_t bytes) {
    std::vector<char> frame(kHeaderBytes + bytes);
    std::fill_n(&frame[kHeaderBytes], 6, '\xff');
    frame[kHeaderBytes + 6] = 2;  // a source that is locally administered
    frame[kHeaderBytes + 12] = '\x88';
    frame[kHeaderBytes + 13] = '\xb5';
    return frame;
}

// `count` frames through a new ring, in batches.
class RingWrites : public Probe {
public:
    explicit RingWrites(const Fields& fields)
        : fd_(static_cast<int>(fields.number("fd"))),
          count_(fields.number("count")),
          batch_(static_cast<unsigned>(fields.number("depth"))),
          frame_bytes_(std::max<size_t>(fields.number("frame_bytes"), kNumberAt)) {}

    Result<std::vector<double>> measure(uint64_t) override {
        const std::unique_ptr<Uring> uring = TRY(Uring::create(batch_, fd_));
        std::vector<std::vector<char>> frames(batch_, make_frame(frame_bytes_));
        std::vector<iovec> pieces(batch_);
        for (unsigned i = 0; i < batch_; ++i) pieces[i] = {frames[i].data(), frames[i].size()};

        int error = 0;
        const double start_us = now_us();
        for (uint64_t started = 0; started < count_;) {
            const auto batch = static_cast<unsigned>(std::min<uint64_t>(batch_, count_ - started));
            for (unsigned i = 0; i < batch; ++i) {
                std::memcpy(&frames[i][kNumberAt], &started, sizeof started);
                ++started;
                uring->add(i, [&](io_uring_sqe* entry) {
                    ::io_uring_prep_writev(entry, 0, &pieces[i], 1, 0);
                });
            }
            for (unsigned done = 0; done < batch;) {
                TRY(uring->submit_and_wait(batch - done));
                done += uring->take_all([&](uint64_t, int result) {
                    if (result < 0) error = -result;
                });
            }
        }
        const double elapsed_us = now_us() - start_us;
        if (error != 0) return Error{"writing to the TAP", error};
        return std::vector<double>{static_cast<double>(count_) * 1e6 / elapsed_us};
    }

private:
    int fd_;
    uint64_t count_;
    unsigned batch_;  // in flight
    size_t frame_bytes_;
};

}  // namespace

Result<std::unique_ptr<Probe>> make_ring_reads(const Fields& fields) {
    return std::unique_ptr<Probe>(new RingReads(fields));
}

Result<std::unique_ptr<Probe>> make_ring_writes(const Fields& fields) {
    return std::unique_ptr<Probe>(new RingWrites(fields));
}
