#include "virtio/virtqueue.hpp"

#include <algorithm>
#include <atomic>
#include <bit>

namespace {

// §2.7: the three parts of a queue, in bytes, with the event fields, which EVENT_IDX alone uses
// but which always have their place.
uint64_t desc_bytes(uint64_t size) {
    return sizeof(virtq_desc) * size;
}
uint64_t avail_bytes(uint64_t size) {
    return VIRTQ_AVAIL_RING + 2 * size + 2;
}
uint64_t used_bytes(uint64_t size) {
    return VIRTQ_USED_RING + sizeof(virtq_used_elem) * size + 2;
}

Result<> check_area(const GuestMemory& memory, const char* name, GuestAddress at, uint64_t align,
                    uint64_t length) {
    if (at.value % align != 0) return Error{name, EINVAL, "is misaligned", at.value};
    if (!memory.contains(at, length))
        return Error{name, EFAULT, "is not in guest memory", at.value};
    return Ok{};
}

// §2.7.7.2 and §2.7.10: does going from index `from` to index `to` pass the entry `event`?
// All of it modulo 2^16.
bool passes(uint16_t event, uint16_t from, uint16_t to) {
    return static_cast<uint16_t>(to - event - 1) < static_cast<uint16_t>(to - from);
}

// Orders our store to a ring before our load from the other one.
void full_fence() {
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
// GCC says that ThreadSanitizer does not model fences. Nothing here relies on a fence for the
// order that it checks: data are handed over by the indexes' acquire and release.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan"
#endif
    std::atomic_thread_fence(std::memory_order_seq_cst);
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
}

}  // namespace

Result<Virtqueue> Virtqueue::create(const GuestMemory& memory, const VirtqueueLayout& layout,
                                    uint64_t features, const VirtqueueState& start) {
    if (!std::has_single_bit(layout.size) || layout.size > VIRTQ_MAX_SIZE)
        return Error{"QueueNum", EINVAL, "is not a power of two up to 32768", layout.size};
    TRY(check_area(memory, "QueueDesc", layout.desc, VIRTQ_DESC_ALIGN, desc_bytes(layout.size)));
    TRY(check_area(memory, "QueueDriver", layout.driver, VIRTQ_AVAIL_ALIGN,
                   avail_bytes(layout.size)));
    TRY(check_area(memory, "QueueDevice", layout.device, VIRTQ_USED_ALIGN,
                   used_bytes(layout.size)));
    Virtqueue queue(memory, layout, features, start.position);
    TRY(queue.take_out(start.out));
    return queue;
}

Virtqueue::Virtqueue(const GuestMemory& memory, const VirtqueueLayout& layout, uint64_t features,
                     VirtqueuePosition start)
    : memory_(memory),
      desc_(layout.desc),
      avail_(layout.driver),
      used_(layout.device),
      size_(static_cast<uint16_t>(layout.size)),
      event_idx_((features & feature(VIRTIO_F_EVENT_IDX)) != 0),
      indirect_((features & feature(VIRTIO_F_INDIRECT_DESC)) != 0),
      next_avail_(start.next_avail),
      seen_avail_(start.next_avail),
      next_used_(start.next_used),
      published_(start.next_used) {}

// Precondition: new.
Result<> Virtqueue::take_out(std::span<const uint16_t> heads) {
    if (heads.size() != in_flight())
        return Error{"queue", EINVAL, "has other chains than its position says", heads.size()};
    if (heads.size() > size_)
        return Error{"queue", EINVAL, "has more chains than entries", heads.size()};
    if (heads.empty()) return Ok{};
    out_.resize(size_);
    // As if popped one entry before they were: so undo_pop() knows them from what pop() has taken
    // from the ring.
    auto popped_at = static_cast<uint16_t>(next_used_ - 1);
    for (const uint16_t head : heads) {
        if (head >= size_) return Error{"queue", EINVAL, "has a chain of no descriptor", head};
        if (out_[head] != 0) return Error{"queue", EINVAL, "has a chain twice", head};
        out_[head] = kOut | popped_at++;
    }
    again_.assign(heads.rbegin(), heads.rend());
    return Ok{};
}

VirtqueueState Virtqueue::save() const {
    VirtqueueState state{.position = position(), .out = {}};
    for (size_t head = 0; head < out_.size(); ++head)
        if (out_[head] != 0) state.out.push_back(static_cast<uint16_t>(head));
    const auto age = [this](uint16_t head) {
        return static_cast<uint16_t>(next_avail_ - out_[head]);
    };
    std::ranges::sort(state.out, std::ranges::greater{}, age);
    return state;
}

GuestAddress Virtqueue::used_event() const {
    return avail_ + (VIRTQ_AVAIL_RING + uint64_t{2} * size_);
}

GuestAddress Virtqueue::avail_event() const {
    return used_ + (VIRTQ_USED_RING + sizeof(virtq_used_elem) * size_);
}

Result<uint16_t> Virtqueue::available() {
    // Pairs with the driver's release: the ring entries and descriptors below idx are visible.
    const uint16_t idx = TRY(memory_.load_acquire<uint16_t>(avail_ + VIRTQ_AVAIL_IDX));
    const auto waiting = static_cast<uint16_t>(idx - next_avail_);
    // The table has room for `size_` chains, those that we have not returned included. An idx that
    // went backwards is a jump of nearly 2^16.
    if (waiting > size_ - in_flight())
        return Error{"avail.idx", EPROTO, "is more than a queue ahead", idx};
    seen_avail_ = idx;
    return waiting;
}

Result<std::optional<uint16_t>> Virtqueue::pop() {
    if (!again_.empty()) {
        const uint16_t head = again_.back();
        again_.pop_back();
        return std::optional<uint16_t>{head};
    }
    // The driver's index is looked at once for all that it has offered: it shares a cache line with
    // what the driver writes next.
    if (next_avail_ == seen_avail_ && TRY(available()) == 0) return std::optional<uint16_t>{};
    const uint64_t slot = next_avail_ % size_;
    const uint16_t head = TRY(memory_.read<uint16_t>(avail_ + (VIRTQ_AVAIL_RING + 2 * slot)));
    if (head >= size_) return Error{"avail.ring", EPROTO, "names no descriptor", head};
    if (out_.empty()) out_.resize(size_);
    if (out_[head] != 0) return Error{"avail.ring", EPROTO, "offers a chain twice", head};
    out_[head] = kOut | next_avail_++;
    return std::optional<uint16_t>{head};
}

void Virtqueue::prefetch(uint16_t ahead) const {
    const auto at = static_cast<uint16_t>(next_avail_ + ahead);
    if (static_cast<uint16_t>(seen_avail_ - next_avail_) <= ahead) return;
    const auto head =
        memory_.read<uint16_t>(avail_ + (VIRTQ_AVAIL_RING + uint64_t{2} * (at % size_)));
    if (!head.ok() || head.value() >= size_) return;
    const auto desc = memory_.read<virtq_desc>(desc_ + sizeof(virtq_desc) * head.value());
    if (desc.ok()) memory_.prefetch({desc.value().addr});
}

void Virtqueue::undo_pop(uint16_t head) {
    if (out_[head] != (kOut | static_cast<uint16_t>(next_avail_ - 1))) {
        again_.push_back(head);
        return;
    }
    out_[head] = 0;
    --next_avail_;
}

Result<> Virtqueue::push(uint16_t head, uint32_t written) {
    const uint64_t slot = next_used_ % size_;
    TRY(memory_.write(used_ + (VIRTQ_USED_RING + sizeof(virtq_used_elem) * slot),
                      virtq_used_elem{.id = head, .len = written}));
    out_[head] = 0;
    ++next_used_;
    return Ok{};
}

Result<bool> Virtqueue::publish() {
    if (published_ == next_used_) return false;
    TRY(memory_.store_release<uint16_t>(used_ + VIRTQ_USED_IDX, next_used_));
    const uint16_t before = published_;
    published_ = next_used_;
    // Pairs with the driver's fence between writing its wish and looking at used.idx again.
    full_fence();
    if (event_idx_) {
        // §2.7.7.2: "MUST ignore the lower bit of flags".
        const uint16_t event = TRY(memory_.load_acquire<uint16_t>(used_event()));
        return passes(event, before, next_used_);
    }
    const uint16_t flags = TRY(memory_.load_acquire<uint16_t>(avail_ + VIRTQ_AVAIL_FLAGS));
    return (flags & VIRTQ_AVAIL_F_NO_INTERRUPT) == 0;
}

Result<> Virtqueue::disable_kicks() {
    if (event_idx_) return Ok{};  // §2.7.10.2: "MUST set flags to 0"
    return memory_.store_release<uint16_t>(used_ + VIRTQ_USED_FLAGS, VIRTQ_USED_F_NO_NOTIFY);
}

Result<bool> Virtqueue::enable_kicks() {
    if (event_idx_) {
        TRY(memory_.store_release<uint16_t>(avail_event(), next_avail_));
    } else {
        TRY(memory_.store_release<uint16_t>(used_ + VIRTQ_USED_FLAGS, 0));
    }
    // Pairs with the driver's fence between its store of avail.idx and its load of our wish.
    full_fence();
    return TRY(available()) != 0 || !again_.empty();
}

Result<virtq_desc> Virtqueue::descriptor(uint16_t index) const {
    if (index >= size_) return Error{"descriptor", EPROTO, "has no such index", index};
    return memory_.read<virtq_desc>(desc_ + sizeof(virtq_desc) * index);
}
