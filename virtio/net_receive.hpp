// The receive queue of a network device: reads of the TAP that go straight into the driver's
// buffers. Virtio 1.2 §5.1.6.3, §5.1.6.4. I/O thread.
//
// A read owns buffers with room for the largest frame that may come. What a frame leaves over stays
// with the read for the next one. A guest that gives too little has no read, and its frames wait in
// the TAP; only if it has given all it seems to have is a read begun with less, and a frame that
// does not fit is then dropped by the kernel.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "base/passkey.hpp"
#include "virtio/net_queue.hpp"

class NetReceiver final : public NetQueue {
public:
    // Errors: as IoEngine::add_target().
    static Result<std::unique_ptr<NetReceiver>> create(IoEngine& engine, IoFile tap,
                                                       const RateLimiterConfig& limits,
                                                       TapListener& listener, NetMetrics& metrics);
    NetReceiver(Passkey<NetReceiver> /*key*/, IoEngine& engine, IoFile tap,
                const RateLimiterConfig& limits, TapListener& listener, NetMetrics& metrics)
        : NetQueue(VIRTIO_NET_RECEIVEQ, engine, tap, limits, listener, metrics) {}

    // Before start(). `frame_bytes`: the largest frame, its header included. `merges`: a frame may
    // lie in several buffers (VIRTIO_NET_F_MRG_RXBUF).
    void expect(uint32_t frame_bytes, bool merges) {
        frame_bytes_ = frame_bytes;
        merges_ = merges;
    }

private:
    static constexpr uint16_t kReads = 4;
    static constexpr uint16_t kPollSlot = kReads;  // of the poll's tag; below it are the reads'
    static constexpr size_t kMaxVectors = 1024;    // UIO_MAXIOV

    struct Buffer {
        uint16_t head = 0;
        uint16_t vectors = 0;
        uint32_t bytes = 0;
        // Of the field num_buffers, whose two bytes may lie in two descriptors.
        std::array<GuestAddress, 2> num_buffers{};
    };
    struct Read {
        bool is_in_flight = false;
        uint32_t generation = 0;
        uint64_t bytes = 0;  // of all buffers
        std::vector<Buffer> buffers{};
        std::vector<iovec> vectors{};  // of the buffers, one after another
    };

    void cancel() override;
    Result<bool> serve() override;
    bool wants_kicks() const override;
    void forget() override;
    void complete(const IoCompletion& completion) override;

    // It has room for the largest frame, or can take no more.
    bool is_full(const Read& read) const {
        return read.bytes >= frame_bytes_ || read.vectors.size() >= kMaxVectors ||
               (!merges_ && !read.buffers.empty());
    }
    Result<bool> find_room(Read& read);
    void begin(uint16_t slot);
    Result<> fill(Read& read);
    Result<> add_buffer(Read& read, uint16_t head);
    void take_over(Read& to, Read& from);
    Result<> hand_over(Read& read, uint32_t bytes);

    bool is_reading() const;
    uint16_t width() const { return std::max<uint16_t>(1, frames_in_a_row_); }
    void count_failed(int result);
    void complete_poll(const IoCompletion& completion);

    uint32_t frame_bytes_ = 0;
    bool merges_ = false;
    std::array<Read, kReads> reads_{};
    // Since the TAP last had no more, kReads at most: as many reads are worth trying at a time. A
    // lone frame, such as an acknowledgement, is followed by one read in vain and not by four.
    uint16_t frames_in_a_row_ = 0;
    bool lacks_room_ = false;  // a read could not be begun for want of buffers
    bool polls_ = false;       // the TAP had no more, and tells when it has
    uint32_t poll_generation_ = 0;
};
