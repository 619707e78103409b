// The part of virtio-block that asks the kernel: from a request that has been taken to its status.
#include <linux/falloc.h>

#include <algorithm>

#include "virtio/block.hpp"

namespace {

// Until an answer is known: no status that a driver knows.
constexpr uint8_t kInProgress = 0xff;

constexpr std::array<std::byte, 4096> kZeroes{};

uint64_t round_up(uint64_t bytes, uint64_t block) {
    return (bytes + block - 1) / block * block;
}

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

// A hint: what of the host's blocks is not covered whole stays as it is.
bool Block::discard(uint16_t slot) {
    Request& request = requests_[slot];
    const uint64_t block = disk_.logical_block_bytes();
    const uint64_t first = round_up(request.offset, block);
    const uint64_t end = request.offset + request.left;
    const uint64_t last = end - end % block;
    if (first >= last) return false;
    request.stage = Stage::kDiscarding;
    engine_.fallocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, first, last - first,
                      tag(slot));
    return true;
}

// The next piece of a range that is to read as zeroes.
void Block::zero(uint16_t slot) {
    Request& request = requests_[slot];
    const uint64_t block = disk_.logical_block_bytes();
    const uint64_t first = round_up(request.offset, block);
    const uint64_t last = request.zeroes_end - request.zeroes_end % block;
    request.left = request.zeroes_end - request.offset;
    if (request.zero_modes.empty() || first >= last) return write_zeroes(slot);
    request.left = first - request.offset;
    if (request.left > 0) return write_zeroes(slot);
    request.left = last - first;
    request.stage = Stage::kZeroing;
    engine_.fallocate(file_, request.zero_modes.front() | FALLOC_FL_KEEP_SIZE, first, request.left,
                      tag(slot));
}

// By writes of one page, over and over.
void Block::write_zeroes(uint16_t slot) {
    Request& request = requests_[slot];
    request.left = std::min(request.left, kMostZeroesWritten);
    request.vectors.clear();
    request.first = 0;
    for (uint64_t left = request.left; left > 0; left -= request.vectors.back().iov_len)
        request.vectors.push_back({const_cast<std::byte*>(kZeroes.data()),  // only read
                                   std::min<uint64_t>(left, kZeroes.size())});
    move(slot);
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
    const Request& request = requests_[slot];
    if (result < 0) {
        const uint8_t status = cope_with(slot, -result);
        if (status != VIRTIO_BLK_S_OK) return status;
    } else if (request.stage == Stage::kMoving) {
        if (result == 0) return VIRTIO_BLK_S_IOERR;  // the file has become shorter
        if (goes_on(slot, static_cast<size_t>(result))) return kInProgress;
    } else if (request.stage == Stage::kZeroing) {
        if (goes_on(slot, request.left)) return kInProgress;
    }
    // §5.2.6.2: without VIRTIO_BLK_F_FLUSH a driver cannot ask for durability, so it always has it.
    const bool needs_sync = request.is_write && cache_ == DiskCache::kWriteback && !driver_flushes_;
    if (needs_sync && request.stage != Stage::kSyncing) {
        sync(slot);
        return kInProgress;
    }
    return VIRTIO_BLK_S_OK;
}

// `done` bytes of a piece are: begins with what follows. False if nothing does.
bool Block::goes_on(uint16_t slot, size_t done) {
    Request& request = requests_[slot];
    request.offset += done;
    request.left -= std::min<uint64_t>(done, request.left);
    if (request.left > 0) {
        while (done >= request.vectors[request.first].iov_len)
            done -= request.vectors[request.first++].iov_len;
        iovec& vector = request.vectors[request.first];
        vector = {static_cast<std::byte*>(vector.iov_base) + done, vector.iov_len - done};
        move(slot);
        return true;
    }
    if (request.offset >= request.zeroes_end) return false;
    zero(slot);
    return true;
}

// The status by a step's error, if nothing makes up for it; kInProgress if something is tried.
uint8_t Block::cope_with(uint16_t slot, int error) {
    Request& request = requests_[slot];
    if (request.stage == Stage::kMoving && (error == EINTR || error == EAGAIN)) {
        // Not the disk's fault, and without a limit: an engine gives these only when it may pass.
        metrics_.io_engine_throttled_events.add();
        move(slot);
        return kInProgress;
    }
    if (request.stage == Stage::kZeroing) {
        // Whatever the host has against it: another way may do, and what cannot be written fails.
        request.zero_modes = request.zero_modes.subspan(1);
        zero(slot);
        return kInProgress;
    }
    const bool is_refused = error == EOPNOTSUPP || error == EINVAL;
    if (request.stage == Stage::kDiscarding && is_refused) return VIRTIO_BLK_S_OK;
    return error == EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
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
    request.zeroes_end = 0;
    ++request.generation;
    free_.push_back(slot);
    --in_flight_;
}
