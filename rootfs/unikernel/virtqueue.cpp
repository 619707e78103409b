#include "rootfs/unikernel/virtqueue.hpp"

#include "rootfs/unikernel/instructions.hpp"

namespace {

template <typename T>
uint64_t address_of(const T& object) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bit_cast crashes clang-tidy 14.
    return reinterpret_cast<uint64_t>(&object);
}

}  // namespace

Virtqueue::Virtqueue(VirtqueueMemory& memory, uint16_t size, Events events)
    : memory_(&memory), size_(size), events_(events) {
    memory.avail.flags = events == Events::kFlags ? VIRTQ_AVAIL_F_NO_INTERRUPT : 0;
    memory.avail.idx = 0;
    memory.used.flags = 0;
    memory.used.idx = 0;
    store16(address_of(memory.used.ring) + sizeof(virtq_used_elem) * size, 0);  // avail_event
}

void Virtqueue::add(uint16_t head) {
    memory_->avail.ring[next_avail_++ & (size_ - 1)] = head;
}

bool Virtqueue::offer() {
    const uint16_t before = offered_;
    if (next_avail_ == before) return false;
    offered_ = next_avail_;
    if (events_ == Events::kIndexes) {
        // §2.7.7: the device interrupts when it passes used_event. It is at most one queue ahead of
        // us, so this is never where it passes.
        store16(address_of(memory_->avail.ring) + sizeof(uint16_t) * size_,
                static_cast<uint16_t>(next_used_ + 0x8000));
    }
    store16(address_of(memory_->avail.idx), offered_);
    full_fence();  // §2.7.13.4.1: before the device's wish is read, it must be able to see the
                   // index
    if (events_ == Events::kFlags)
        return (load16(address_of(memory_->used.flags)) & VIRTQ_USED_F_NO_NOTIFY) == 0;
    // §2.7.10: it wants a kick if what was just offered takes us past avail_event.
    const uint16_t event = load16(address_of(memory_->used.ring) + sizeof(virtq_used_elem) * size_);
    return static_cast<uint16_t>(offered_ - event - 1) < static_cast<uint16_t>(offered_ - before);
}

bool Virtqueue::has_used() const {
    return load16(address_of(memory_->used.idx)) != next_used_;
}

virtq_used_elem Virtqueue::take_used() {
    return memory_->used.ring[next_used_++ & (size_ - 1)];
}
