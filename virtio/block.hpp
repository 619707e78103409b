// virtio-block: one request queue onto a disk's file. Virtio 1.2 §5.2.
//
// A request lives in a slot from the moment it is popped until its status byte is written. Reads
// and writes go from the kernel straight into and out of guest RAM, by I/O vectors over the chain's
// segments. Completions are gathered: all that one round of the I/O thread brings are published by
// one store to the used ring, with one interrupt at the most.
//
// Created by the main thread; then of the I/O thread alone.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/io_engine.hpp"
#include "base/io_loop.hpp"
#include "base/passkey.hpp"
#include "virtio/block_metrics.hpp"
#include "virtio/chain.hpp"
#include "virtio/device.hpp"
#include "virtio/device_state.hpp"
#include "virtio/disk.hpp"
#include "virtio/rate_limiter.hpp"
#include "virtio/spec.hpp"

enum class DiskCache : uint8_t {
    kWriteback,  // a flush is an fdatasync before its status byte; without FLUSH every write is
    kUnsafe,     // flushes are not offered: what the host has not written is lost in a crash
};

struct BlockConfig {
    std::string_view id;  // for VIRTIO_BLK_T_GET_ID: its first 20 bytes, with a warning of more
    DiskCache cache = DiskCache::kWriteback;
    RateLimiterConfig limits{};
};

class Block final : public VirtioDevice, public IoWorker, private IoTarget {
public:
    static constexpr uint16_t kQueueSize = 256;
    // Data segments of one request. The header and the status byte take two more descriptors.
    static constexpr uint32_t kMaxSegments = kQueueSize - 2;
    // What one system call does at most, because a reset waits for those that have begun: of a
    // longer read or write the rest follows, and a driver splits what it erases. Zeroes that have
    // to be written are so many at a time.
    static constexpr uint64_t kMostMovedBytes = 4 << 20;
    static constexpr uint32_t kMostErasedSectors = (16 << 20) / VIRTIO_BLK_SECTOR_SIZE;
    static constexpr uint64_t kMostZeroesWritten = 1 << 20;

    // Adds the disk to `engine`, which has not started and outlives the device.
    // `state`, at `now_ns` of the monotonic clock: of a drive that goes on where another one stood.
    // Errors: as IoEngine::add_file() and add_target(); RateLimiter::create(), about the id.
    static Result<std::unique_ptr<Block>> create(Disk disk, const BlockConfig& config,
                                                 IoEngine& engine, const BlockState& state = {},
                                                 uint64_t now_ns = 0);
    Block(Passkey<Block> key, Disk disk, const BlockConfig& config, IoEngine& engine);

    // I/O thread, at any time.
    void change_limits(const RateLimiterConfig& limits, uint64_t now_ns) {
        limiter_.change(limits, now_ns);
        blocked_until_ns_.reset();
        metrics_.update_count.add();
    }

    // The VM is paused, or not any more: what the driver has asked for waits. What has begun comes
    // to its end and is told to the driver; then the disk is still. I/O thread.
    void hold(bool holds) { is_held_ = holds; }
    // Nothing is with the kernel or on its way there, and the driver has been told of all that is
    // done: while it is held, it stays so. I/O thread.
    bool is_still() const {
        return in_flight_ == 0 && !next_disk_.has_value() && !(has_pushed_ && is_running());
    }

    // I/O thread.
    BlockState save(uint64_t now_ns) const { return {.limits = limiter_.save(now_ns)}; }

    const BlockMetrics& metrics() const { return metrics_; }

    // I/O thread, which started: `disk`, of the same access, takes the place of the one there is,
    // as soon as that one's last request has ended; the driver is told of its size. Errors: EBUSY:
    // one is on its way already.
    Result<> replace_disk(Disk disk);
    bool is_changing_disk() const { return next_disk_.has_value(); }
    // The file has another size than it had. I/O thread.
    void resize(uint64_t size_bytes);
    // I/O thread.
    const Disk& disk() const { return disk_; }

    // VirtioDevice
    uint32_t device_id() const override { return VIRTIO_ID_BLOCK; }
    uint64_t offered_features() const override;
    std::span<const uint16_t> max_queue_sizes() const override { return kMaxQueueSizes; }
    std::span<const std::byte> config() const override;
    void attach(VirtioTransport& transport) override { transport_ = &transport; }
    Result<> activate(uint64_t features) override;
    void start_queue(uint16_t index, Virtqueue queue) override;
    void on_kick(uint16_t index) override;
    VirtqueueState save_queue(uint16_t /*index*/) const override { return queue_->save(); }
    void stop_queue(uint16_t index) override;

    // IoWorker
    bool work(uint64_t now_ns) override;
    bool before_wait() override;
    uint64_t deadline_ns() const override {
        return is_held_ ? kNever : blocked_until_ns_.value_or(kNever);
    }
    void wind_down() override;
    bool is_in_flight() const override { return in_flight_ > 0; }

private:
    // Chains taken in one round. Less than a queue full, so that the driver refills the one part of
    // its queue while the kernel works on the other, and other devices come in between.
    static constexpr size_t kChainsPerRound = 16;

    enum class Stage : uint8_t {
        kFree,
        kMoving,   // a read or a write
        kSyncing,  // a flush, or what a write is followed by where there are no flushes
        kDiscarding,
        kZeroing,  // whole blocks of the host; the rest of a range is moved there like a write
    };

    struct Request {
        Stage stage = Stage::kFree;
        bool is_write = false;
        uint16_t head = 0;
        uint32_t generation = 0;
        uint32_t written = 0;  // used.len, if it succeeds
        uint32_t bytes = 0;    // of a read or a write
        GuestAddress status_at;
        uint64_t offset = 0;           // in the file, of what is left
        uint64_t left = 0;             // bytes, of a piece if there are several
        std::vector<iovec> vectors{};  // over the chain's data; those before `first` are done
        size_t first = 0;
        uint64_t zeroes_end = 0;  // in the file: write zeroes goes on until there, piece by piece
        std::span<const uint32_t> zero_modes{};  // of fallocate(2), that may still work
    };

    void describe_disk();
    Result<> change_disk();
    bool is_running() const {
        return queue_.has_value() && !is_stopping_ && !is_over_ && !transport_->has_failed();
    }
    Result<bool> serve(uint64_t now_ns);
    Result<bool> publish();
    // True if the request was taken; false if it has to wait for the limiter.
    Result<bool> take(uint16_t head, uint64_t now_ns);
    using EraseRange = std::optional<virtio_blk_discard_write_zeroes>;
    // None: the request erases nothing, or has not exactly one range.
    static Result<EraseRange> range_of(const virtio_blk_req_header& header, const Chain& chain);
    uint64_t cost_of(const virtio_blk_req_header& header, const Chain& chain,
                     const EraseRange& range) const;
    Result<> begin(uint16_t slot, const virtio_blk_req_header& header, const Chain& chain,
                   const EraseRange& range);
    Result<> begin_transfer(uint16_t slot, const virtio_blk_req_header& header, const Chain& chain);
    Result<> begin_erase(uint16_t slot, uint32_t type, const EraseRange& range);
    Result<> answer_id(uint16_t slot, const Chain& chain);
    bool contains(uint64_t sector, uint64_t length) const;
    bool may_erase(const virtio_blk_discard_write_zeroes& range) const;

    static std::span<const iovec> next_vectors(Request& request);
    void move(uint16_t slot);
    void sync(uint16_t slot);
    // False: there is not one whole block of the host in it.
    bool discard(uint16_t slot);
    void zero(uint16_t slot);
    void write_zeroes(uint16_t slot);
    void complete(const IoCompletion& completion) override;
    uint8_t advance(uint16_t slot, int32_t result);
    bool goes_on(uint16_t slot, size_t done);
    uint8_t cope_with(uint16_t slot, int error);
    Result<> finish(uint16_t slot, uint8_t status);
    void count(const Request& request, uint8_t status);
    void fail(const Error& why) {
        metrics_.event_fails.add();
        transport_->fail(why);
    }

    uint16_t take_slot();
    void release(uint16_t slot);
    IoTag tag(uint16_t slot) const {
        return {.target = target_, .slot = slot, .generation = requests_[slot].generation};
    }
    void cancel_all();
    void end_stop();

    static constexpr std::array<uint16_t, 1> kMaxQueueSizes{kQueueSize};

    Disk disk_;
    std::optional<Disk> next_disk_;  // waits for the requests in flight
    const DiskCache cache_;
    std::array<char, VIRTIO_BLK_ID_BYTES> id_{};
    virtio_blk_config config_{};
    IoEngine& engine_;
    IoFile file_{};
    uint16_t target_ = 0;
    VirtioTransport* transport_ = nullptr;

    RateLimiter limiter_;
    std::optional<uint64_t> blocked_until_ns_;  // by the limiter
    std::optional<Virtqueue> queue_;
    bool driver_flushes_ = false;  // VIRTIO_BLK_F_FLUSH was negotiated
    bool is_over_ = false;         // wind_down() was called: the VM ends
    bool is_held_ = false;
    bool is_stopping_ = false;  // stop_queue() was called, and requests are in flight
    bool has_pushed_ = false;   // since the last publish()
    bool was_kicked_ = false;   // since the queue was last looked at
    size_t in_flight_ = 0;
    std::vector<Request> requests_;  // by slot: as many as ever were in flight at once
    std::vector<uint16_t> free_;
    std::vector<Segment> segments_;  // of the chain that is being looked at
    BlockMetrics metrics_;
};
