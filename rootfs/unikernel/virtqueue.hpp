// The driver's side of a split virtqueue (Virtio 1.2 §2.7), polled: the device is told never to
// interrupt, and is kicked only when it asks for it.
//
// Memory is identity-mapped, so that a pointer is the address which the device is told.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

// §2.7.5 The Virtqueue Descriptor Table
struct virtq_desc {
    uint64_t addr;   //  0
    uint32_t len;    //  8  bytes
    uint16_t flags;  // 12  VIRTQ_DESC_F_*
    uint16_t next;   // 14  valid if flags & VIRTQ_DESC_F_NEXT
};
static_assert(sizeof(virtq_desc) == 16);

constexpr uint16_t VIRTQ_DESC_F_NEXT = 1;
constexpr uint16_t VIRTQ_DESC_F_WRITE = 2;     // the device writes, else it reads
constexpr uint16_t VIRTQ_DESC_F_INDIRECT = 4;  // the buffer holds a table of descriptors

constexpr uint16_t VIRTQ_AVAIL_F_NO_INTERRUPT = 1;
constexpr uint16_t VIRTQ_USED_F_NO_NOTIFY = 1;

// §2.7.8
struct virtq_used_elem {
    uint32_t id;   //  0  head of the used chain
    uint32_t len;  //  4  bytes that the device has written
};
static_assert(sizeof(virtq_used_elem) == 8);

// Room for a queue of up to kMaxSize descriptors. In a shorter one the events move up to the end of
// their ring.
struct VirtqueueMemory {
    static constexpr uint16_t kMaxSize = 512;

    alignas(16) virtq_desc desc[kMaxSize];
    struct {
        uint16_t flags;           //  0
        uint16_t idx;             //  2
        uint16_t ring[kMaxSize];  //  4
        uint16_t used_event;
    } avail;
    struct {
        alignas(4) uint16_t flags;       //  0
        uint16_t idx;                    //  2
        virtq_used_elem ring[kMaxSize];  //  4
        uint16_t avail_event;
    } used;
};
static_assert(offsetof(VirtqueueMemory, avail.ring) - offsetof(VirtqueueMemory, avail) == 4);
static_assert(offsetof(VirtqueueMemory, used.ring) - offsetof(VirtqueueMemory, used) == 4);

// How the two sides tell each other that they want to be told.
enum class Events { kFlags, kIndexes };  // kIndexes: with VIRTIO_F_EVENT_IDX

class Virtqueue {
public:
    // None.
    Virtqueue() = default;

    // Empty, without interrupts. `memory` outlives the queue, and no device knows it yet. `size` is
    // a power of two, at most VirtqueueMemory::kMaxSize.
    Virtqueue(VirtqueueMemory& memory, uint16_t size, Events events);

    uint16_t size() const { return size_; }
    uint64_t desc_address() const { return std::bit_cast<uint64_t>(&memory_->desc); }
    uint64_t avail_address() const { return std::bit_cast<uint64_t>(&memory_->avail); }
    uint64_t used_address() const { return std::bit_cast<uint64_t>(&memory_->used); }

    // Who uses which descriptor is the caller's to say. Precondition: index < size(), and it is not
    // the device's.
    virtq_desc& desc(uint16_t index) { return memory_->desc[index]; }

    // Puts the chain that starts at `head` into the available ring, where the device does not see
    // it yet. Precondition: at most size() chains are the device's.
    void add(uint16_t head);

    // Shows the device all that was added. True if it wants a kick for that.
    bool offer();

    // Whether there is something to take.
    bool has_used() const;

    // The next chain that the device is done with. Precondition: has_used().
    virtq_used_elem take_used();

private:
    VirtqueueMemory* memory_ = nullptr;
    uint16_t size_ = 0;
    Events events_ = Events::kFlags;
    uint16_t next_avail_ = 0;
    uint16_t offered_ = 0;
    uint16_t next_used_ = 0;
};
