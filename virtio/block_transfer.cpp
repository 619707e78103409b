// The part of virtio-block that asks the kernel: from a request that has been taken to its status.
#include <linux/falloc.h>

#include <algorithm>

#include "virtio/block.hpp"

namespace {

// Until an answer is known: no status that a driver knows.
constexpr uint8_t kInProgress = 0xff;

}  // namespace

// As much of what is left as one system call may move.
std::span<const iovec> Block::next_vectors(Request& request) {
    const auto left = std::span<const iovec>(request.vectors).subspan(request.first);
    if (request.left <= kMostMovedBytes) return left;
    size_t count = 0;
    for (size_t room = kMostMovedBytes; left[count].iov_len <= room; ++count)
        room -= left[count].iov_len;
    if (count > 0) return left.first(count);
    // The first one alone is too long: it becomes two. Nothing that the kernel has lies here.
    iovec& first = request.vectors[request.first];
    const iovec rest{static_cast<std::byte*>(first.iov_base) + kMostMovedBytes,
                     first.iov_len - kMostMovedBytes};
    first.iov_len = kMostMovedBytes;
    request.vectors.insert(request.vectors.begin() + static_cast<ptrdiff_t>(request.first) + 1,
                           rest);
    return std::span<const iovec>(request.vectors).subspan(request.first, 1);
}

void Block::move(uint16_t slot) {
    Request& request = requests_[slot];
    request.stage = Stage::kMoving;
    const std::span<const iovec> vectors = next_vectors(request);
    if (request.is_write) {
        engine_.writev(file_, vectors, request.offset, tag(slot));
    } else {
        engine_.readv(file_, vectors, request.offset, tag(slot));
    }
}

void Block::sync(uint16_t slot) {
    requests_[slot].stage = Stage::kSyncing;
    engine_.fdatasync(file_, tag(slot));
}

void Block::erase(uint16_t slot, Stage how) {
    Request& request = requests_[slot];
    request.stage = how;
    const uint32_t mode = how == Stage::kPunching ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
    engine_.fallocate(file_, mode | FALLOC_FL_KEEP_SIZE, request.offset, request.left, tag(slot));
}

void Block::complete(const IoCompletion& completion) {
    const uint16_t slot = completion.tag.slot;
    if (slot >= requests_.size() || requests_[slot].stage == Stage::kFree ||
        requests_[slot].generation != completion.tag.generation)
        return;
    if (!is_running()) {
        // The driver gave up on it, or is given up on: its memory is only waited for.
        release(slot);
        if (is_stopping_ && in_flight_ == 0) end_stop();
        return;
    }
    const uint8_t status = advance(slot, completion.result);
    if (status == kInProgress) return;
    const Result<> finished = finish(slot, status);
    if (!finished.ok()) fail(finished.error());
}

// One step of a request is done: begins the next, or returns the status.
uint8_t Block::advance(uint16_t slot, int32_t result) {
    Request& request = requests_[slot];
    if (result == -EINTR || result == -EAGAIN) {
        // Not the disk's fault, and without a limit: an engine gives these only when it may pass.
        if (request.stage == Stage::kMoving) {
            metrics_.io_engine_throttled_events.add();
            move(slot);
            return kInProgress;
        }
        return VIRTIO_BLK_S_IOERR;
    }
    if (request.stage == Stage::kZeroing && result == -EOPNOTSUPP) {
        erase(slot, Stage::kPunching);  // reads as zeroes all the same
        return kInProgress;
    }
    if (result == -EOPNOTSUPP) return VIRTIO_BLK_S_UNSUPP;
    if (result < 0) return VIRTIO_BLK_S_IOERR;
    if (request.stage == Stage::kMoving) {
        if (result == 0) return VIRTIO_BLK_S_IOERR;  // the file has become shorter
        auto moved = static_cast<size_t>(result);
        request.offset += moved;
        request.left -= std::min<uint64_t>(moved, request.left);
        if (request.left > 0) {
            while (moved >= request.vectors[request.first].iov_len)
                moved -= request.vectors[request.first++].iov_len;
            iovec& vector = request.vectors[request.first];
            vector = {static_cast<std::byte*>(vector.iov_base) + moved, vector.iov_len - moved};
            move(slot);
            return kInProgress;
        }
    }
    // §5.2.6.2: without VIRTIO_BLK_F_FLUSH a driver cannot ask for durability, so it always has it.
    const bool needs_sync = request.is_write && cache_ == DiskCache::kWriteback && !driver_flushes_;
    if (needs_sync && request.stage != Stage::kSyncing) {
        sync(slot);
        return kInProgress;
    }
    return VIRTIO_BLK_S_OK;
}

Result<> Block::finish(uint16_t slot, uint8_t status) {
    const Request& request = requests_[slot];
    const uint16_t head = request.head;
    // A failed read may have written less than it says; the status byte is what counts then.
    const uint32_t written = status == VIRTIO_BLK_S_OK ? request.written : 0;
    const GuestAddress status_at = request.status_at;
    count(request, status);
    release(slot);
    TRY(queue_->memory().write(status_at, status));
    has_pushed_ = true;
    return queue_->push(head, written);
}

void Block::count(const Request& request, uint8_t status) {
    if (status == VIRTIO_BLK_S_UNSUPP) return metrics_.invalid_reqs_count.add();
    if (status != VIRTIO_BLK_S_OK) return metrics_.execute_fails.add();
    if (request.stage == Stage::kSyncing && !request.is_write) return metrics_.flush_count.add();
    if (request.bytes == 0) return;
    (request.is_write ? metrics_.write_count : metrics_.read_count).add();
    (request.is_write ? metrics_.write_bytes : metrics_.read_bytes).add(request.bytes);
}

uint16_t Block::take_slot() {
    ++in_flight_;
    if (free_.empty()) {
        requests_.emplace_back();
        return static_cast<uint16_t>(requests_.size() - 1);
    }
    const uint16_t slot = free_.back();
    free_.pop_back();
    return slot;
}

void Block::release(uint16_t slot) {
    Request& request = requests_[slot];
    request.stage = Stage::kFree;
    request.is_write = false;
    ++request.generation;
    free_.push_back(slot);
    --in_flight_;
}
