#include "virtio/block.hpp"

#include <linux/falloc.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "base/log.hpp"

namespace {

constexpr uint32_t kHeaderBytes = sizeof(virtio_blk_req_header);
constexpr uint32_t kStatusBytes = 1;
constexpr uint16_t kChainsAhead = 3;  // looked at while one is taken

// How zeroes are made without writing them. Either reads as zeroes; which one a host knows depends
// on its file system or device, and what a driver would rather have on whether it said "unmap".
constexpr std::array<uint32_t, 2> kHoleFirst{FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE};
constexpr std::array<uint32_t, 2> kRangeFirst{FALLOC_FL_ZERO_RANGE, FALLOC_FL_PUNCH_HOLE};

bool erases(uint32_t type) {
    return type == VIRTIO_BLK_T_DISCARD || type == VIRTIO_BLK_T_WRITE_ZEROES;
}

Error too_short(uint32_t bytes) {
    return {"virtio-block request", EPROTO, "has no room for its header or status", bytes};
}

}  // namespace

Result<std::unique_ptr<Block>> Block::create(Disk disk, const BlockConfig& config, IoEngine& engine,
                                             const BlockState& state, uint64_t now_ns) {
    auto block = std::make_unique<Block>(Passkey<Block>(), std::move(disk), config, engine);
    block->file_ = TRY(engine.add_file(block->disk_.fd()));
    block->target_ = TRY(engine.add_target(*block));
    if (state.limits.has_value()) {
        const Result<RateLimiter> limiter = RateLimiter::create(*state.limits, now_ns);
        if (!limiter.ok()) return limiter.error().about(config.id);
        block->limiter_ = limiter.value();
    }
    return block;
}

Block::Block(Passkey<Block> /*key*/, Disk disk, const BlockConfig& config, IoEngine& engine)
    : disk_(std::move(disk)), cache_(config.cache), engine_(engine), limiter_(config.limits, 0) {
    const auto read = static_cast<int>(config.id.copy(id_.data(), id_.size()));
    const auto given = static_cast<int>(config.id.size());
    if (given > read)
        LOG_WARNING("drive %.*s: the guest reads only the first %d bytes of its id: %.*s", given,
                    config.id.data(), read, read, id_.data());
    config_.seg_max = kMaxSegments;
    config_.blk_size = VIRTIO_BLK_SECTOR_SIZE;
    config_.num_queues = 1;
    // One range in a request: then a request is one system call, and a driver merges ranges anyway.
    config_.max_discard_seg = config_.max_write_zeroes_seg = 1;
    // The same of every disk, however small: what a driver reads at its start holds for the next.
    config_.max_discard_sectors = config_.max_write_zeroes_sectors = kMostErasedSectors;
    config_.write_zeroes_may_unmap = 1;
    describe_disk();
}

void Block::describe_disk() {
    const uint64_t sectors = disk_.size_bytes() / VIRTIO_BLK_SECTOR_SIZE;
    const auto physical =
        static_cast<uint32_t>(disk_.physical_block_bytes() / VIRTIO_BLK_SECTOR_SIZE);
    config_.capacity = sectors;
    config_.topology.physical_block_exp = static_cast<uint8_t>(std::countr_zero(physical));
    config_.topology.min_io_size = static_cast<uint16_t>(physical);
    config_.discard_sector_alignment = std::max<uint32_t>(
        physical, disk_.logical_block_bytes() / uint32_t{VIRTIO_BLK_SECTOR_SIZE});
}

Result<> Block::replace_disk(Disk disk) {
    if (next_disk_.has_value()) return Error{"disk", EBUSY, "the last change is not done yet"};
    next_disk_.emplace(std::move(disk));
    return change_disk();
}

void Block::resize(uint64_t size_bytes) {
    disk_.set_size_bytes(size_bytes);
    describe_disk();
    transport_->set_config(config());
    metrics_.update_count.add();
}

Result<> Block::change_disk() {
    if (!next_disk_.has_value() || in_flight_ > 0) return Ok{};
    Disk next = std::move(*next_disk_);
    next_disk_.reset();
    TRY(engine_.replace_file(file_, next.fd()));
    disk_.unlock();
    disk_ = std::move(next);
    describe_disk();
    transport_->set_config(config());
    metrics_.update_count.add();
    return Ok{};
}

uint64_t Block::offered_features() const {
    uint64_t features = feature(VIRTIO_BLK_F_SEG_MAX) | feature(VIRTIO_BLK_F_BLK_SIZE) |
                        feature(VIRTIO_BLK_F_TOPOLOGY);
    if (disk_.access() == DiskAccess::kReadOnly) return features | feature(VIRTIO_BLK_F_RO);
    if (cache_ == DiskCache::kWriteback) features |= feature(VIRTIO_BLK_F_FLUSH);
    if (disk_.can_punch_holes()) features |= feature(VIRTIO_BLK_F_DISCARD);
    return features | feature(VIRTIO_BLK_F_WRITE_ZEROES);
}

std::span<const std::byte> Block::config() const {
    return std::as_bytes(std::span(&config_, 1));
}

// --- The queue's life ---------------------------------------------------------------------------

Result<> Block::activate(uint64_t features) {
    driver_flushes_ = (features & feature(VIRTIO_BLK_F_FLUSH)) != 0;
    return Ok{};
}

void Block::start_queue(uint16_t /*index*/, Virtqueue queue) {
    segments_.resize(queue.size());
    queue_.emplace(std::move(queue));
    blocked_until_ns_.reset();
}

void Block::on_kick(uint16_t /*index*/) {
    // The loop has woken up, and calls work() in the same round.
    was_kicked_ = true;
    metrics_.queue_event_count.add();
}

void Block::stop_queue(uint16_t /*index*/) {
    is_stopping_ = true;
    blocked_until_ns_.reset();
    cancel_all();
    if (in_flight_ == 0) end_stop();
}

void Block::wind_down() {
    is_over_ = true;
    cancel_all();
}

void Block::cancel_all() {
    for (size_t slot = 0; slot < requests_.size(); ++slot)
        if (requests_[slot].stage != Stage::kFree) engine_.cancel(tag(static_cast<uint16_t>(slot)));
}

void Block::end_stop() {
    queue_.reset();
    is_stopping_ = false;
    has_pushed_ = false;
    transport_->queue_stopped(0);
}

// --- The I/O thread's rounds --------------------------------------------------------------------

bool Block::work(uint64_t now_ns) {
    if (const Result<> changed = change_disk(); !changed.ok()) fail(changed.error());
    if (!is_running()) return false;
    const Result<bool> served = is_held_ ? publish() : serve(now_ns);
    if (served.ok()) return served.value();
    fail(served.error());
    return true;
}

Result<bool> Block::publish() {
    if (!std::exchange(has_pushed_, false)) return false;
    if (TRY(queue_->publish())) transport_->notify_used();
    return true;
}

Result<bool> Block::serve(uint64_t now_ns) {
    bool was_of_use = TRY(publish());
    if (next_disk_.has_value()) return was_of_use;  // the last completion comes back here
    if (blocked_until_ns_.has_value()) {
        if (now_ns < *blocked_until_ns_) return was_of_use;
        blocked_until_ns_.reset();
        metrics_.rate_limiter_event_count.add();
    }
    TRY(queue_->disable_kicks());
    for (size_t i = 0; i < kChainsPerRound; ++i) {
        const std::optional<uint16_t> head = TRY(queue_->pop());
        if (!head.has_value()) {
            if (was_kicked_ && i == 0) metrics_.no_avail_buffer.add();
            break;
        }
        queue_->prefetch(kChainsAhead);
        if (!TRY(take(*head, now_ns))) {
            queue_->undo_pop(*head);
            break;
        }
        was_of_use = true;
    }
    was_kicked_ = false;
    // Those that needed no I/O are answered already.
    TRY(publish());
    return was_of_use;
}

bool Block::before_wait() {
    if (!is_running() || is_held_ || blocked_until_ns_.has_value() || next_disk_.has_value())
        return false;
    const Result<bool> has_more = queue_->enable_kicks();
    if (has_more.ok()) return has_more.value();
    fail(has_more.error());
    return false;
}

// --- Requests (§5.2.6) --------------------------------------------------------------------------

Result<bool> Block::take(uint16_t head, uint64_t now_ns) {
    const Chain chain = TRY(Chain::walk(*queue_, head, segments_));
    if (chain.readable().size_bytes() < kHeaderBytes)
        return too_short(chain.readable().size_bytes());
    if (chain.writable().size_bytes() < kStatusBytes)
        return too_short(chain.writable().size_bytes());
    const auto header = TRY(chain.readable().read<virtio_blk_req_header>(0));
    const EraseRange range = TRY(range_of(header, chain));
    const uint64_t bytes = cost_of(header, chain, range);
    if (const std::optional<uint64_t> later = limiter_.take(bytes, now_ns); later.has_value()) {
        blocked_until_ns_ = later;
        metrics_.rate_limiter_throttled_events.add();
        return false;
    }

    const uint16_t slot = take_slot();
    Request& request = requests_[slot];
    request.head = head;
    request.written = kStatusBytes;
    request.bytes = 0;
    request.status_at = TRY(chain.writable().locate(chain.writable().size_bytes() - kStatusBytes));
    TRY(begin(slot, header, chain, range));
    return true;
}

Result<Block::EraseRange> Block::range_of(const virtio_blk_req_header& header, const Chain& chain) {
    // Exactly one: max_discard_seg is 1.
    const uint32_t length = chain.readable().size_bytes() - kHeaderBytes;
    if (!erases(header.type) || length != sizeof(virtio_blk_discard_write_zeroes))
        return EraseRange{};
    return EraseRange{TRY(chain.readable().read<virtio_blk_discard_write_zeroes>(kHeaderBytes))};
}

// In bytes, for the limiter: what the disk has to do, not how long the request is.
uint64_t Block::cost_of(const virtio_blk_req_header& header, const Chain& chain,
                        const EraseRange& range) const {
    if (range.has_value() && may_erase(*range)) return range->num_sectors * VIRTIO_BLK_SECTOR_SIZE;
    return header.type == VIRTIO_BLK_T_IN ? chain.writable().size_bytes() - kStatusBytes
                                          : chain.readable().size_bytes() - kHeaderBytes;
}

Result<> Block::begin(uint16_t slot, const virtio_blk_req_header& header, const Chain& chain,
                      const EraseRange& range) {
    const bool is_read_only = disk_.access() == DiskAccess::kReadOnly;
    switch (header.type) {
        case VIRTIO_BLK_T_OUT:
            // §5.2.6.2: with VIRTIO_BLK_F_RO a write MUST fail with IOERR.
            if (is_read_only) return finish(slot, VIRTIO_BLK_S_IOERR);
            [[fallthrough]];
        case VIRTIO_BLK_T_IN:
            return begin_transfer(slot, header, chain);
        case VIRTIO_BLK_T_FLUSH:
            if (!driver_flushes_) return finish(slot, VIRTIO_BLK_S_UNSUPP);
            sync(slot);
            return Ok{};
        case VIRTIO_BLK_T_GET_ID:
            return answer_id(slot, chain);
        case VIRTIO_BLK_T_DISCARD:
        case VIRTIO_BLK_T_WRITE_ZEROES:
            if (is_read_only) return finish(slot, VIRTIO_BLK_S_IOERR);
            return begin_erase(slot, header.type, range);
        default:
            return finish(slot, VIRTIO_BLK_S_UNSUPP);
    }
}

bool Block::contains(uint64_t sector, uint64_t length) const {
    const uint64_t sectors = disk_.size_bytes() / VIRTIO_BLK_SECTOR_SIZE;
    return sector <= sectors && length <= (sectors - sector) * VIRTIO_BLK_SECTOR_SIZE;
}

// As many sectors as config() allows, all of them on the disk.
bool Block::may_erase(const virtio_blk_discard_write_zeroes& range) const {
    return range.num_sectors <= kMostErasedSectors &&
           contains(range.sector, range.num_sectors * VIRTIO_BLK_SECTOR_SIZE);
}

Result<> Block::begin_transfer(uint16_t slot, const virtio_blk_req_header& header,
                               const Chain& chain) {
    const bool is_write = header.type == VIRTIO_BLK_T_OUT;
    const ChainPart& part = is_write ? static_cast<const ChainPart&>(chain.readable())
                                     : static_cast<const ChainPart&>(chain.writable());
    const uint32_t start = is_write ? kHeaderBytes : 0;
    const uint32_t length = part.size_bytes() - (is_write ? kHeaderBytes : kStatusBytes);
    if (length % VIRTIO_BLK_SECTOR_SIZE != 0 || !contains(header.sector, length))
        return finish(slot, VIRTIO_BLK_S_IOERR);
    if (length == 0) return finish(slot, VIRTIO_BLK_S_OK);

    Request& request = requests_[slot];
    request.vectors.resize(part.segments().size());
    const auto vectors = TRY(part.gather(start, length, request.vectors));
    request.vectors.resize(vectors.size());
    request.is_write = is_write;
    request.first = 0;
    request.offset = header.sector * VIRTIO_BLK_SECTOR_SIZE;
    request.left = request.bytes = length;
    if (!is_write) request.written += length;
    move(slot);
    return Ok{};
}

Result<> Block::begin_erase(uint16_t slot, uint32_t type, const EraseRange& range) {
    if (!range.has_value()) return finish(slot, VIRTIO_BLK_S_IOERR);
    // §5.2.6.2: unknown flags, and unmap on a discard, are UNSUPP.
    const uint32_t known = type == VIRTIO_BLK_T_DISCARD ? 0 : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
    if ((range->flags & ~known) != 0) return finish(slot, VIRTIO_BLK_S_UNSUPP);
    if (!may_erase(*range)) return finish(slot, VIRTIO_BLK_S_IOERR);
    if (range->num_sectors == 0) return finish(slot, VIRTIO_BLK_S_OK);

    Request& request = requests_[slot];
    request.is_write = true;
    request.offset = range->sector * VIRTIO_BLK_SECTOR_SIZE;
    request.left = range->num_sectors * VIRTIO_BLK_SECTOR_SIZE;
    if (type == VIRTIO_BLK_T_DISCARD)
        return discard(slot) ? Result<>(Ok{}) : finish(slot, VIRTIO_BLK_S_OK);
    request.zeroes_end = request.offset + request.left;
    request.zero_modes = range->flags != 0 ? kHoleFirst : kRangeFirst;
    zero(slot);
    return Ok{};
}

Result<> Block::answer_id(uint16_t slot, const Chain& chain) {
    const uint32_t room = chain.writable().size_bytes() - kStatusBytes;
    if (room < id_.size()) return finish(slot, VIRTIO_BLK_S_IOERR);
    TRY(chain.writable().copy_in(0, std::as_bytes(std::span(id_))));
    requests_[slot].written += static_cast<uint32_t>(id_.size());
    return finish(slot, VIRTIO_BLK_S_OK);
}
