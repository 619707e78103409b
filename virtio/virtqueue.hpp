// A split virtqueue, the device's side of it. Virtio 1.2 §2.7.
//
// Made by the transport when the driver sets the queue up, then owned by the device, which uses it
// on the I/O thread alone. It holds addresses in guest memory and our own indexes; what the driver
// writes in the rings is read once, checked, and never believed again.
//
// Memory order. The driver's store of avail.idx is a release and our load of it an acquire: the
// descriptors behind it are visible. Our store of used.idx is a release for the driver's acquire:
// the elements and the data behind it are visible. Telling whether the other side sleeps needs
// more, on both sides: store our index, full fence, load the other's wish. Without the fence both
// could see the past, and nobody would wake anybody.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "virtio/guest_memory.hpp"
#include "virtio/spec.hpp"

// Where a driver put its queue.
struct VirtqueueLayout {
    uint32_t size = 0;    // §2.7: a power of two up to VIRTQ_MAX_SIZE
    GuestAddress desc;    // Descriptor Area
    GuestAddress driver;  // Driver Area: the available ring
    GuestAddress device;  // Device Area: the used ring

    bool operator==(const VirtqueueLayout&) const = default;
};

// How far the device has come, both modulo 2^16.
struct VirtqueuePosition {
    uint16_t next_avail = 0;  // the entry of the available ring that pop() looks at next
    uint16_t next_used = 0;   // the entry of the used ring that push() fills next

    bool operator==(const VirtqueuePosition&) const = default;
};

// All that a queue is besides its layout and what is in guest memory.
struct VirtqueueState {
    VirtqueuePosition position;
    // Chains that the device has and has not returned, by their heads, in the order in which it got
    // them: pop() gives them again, before any other. A NIC that is held has some, since it uses
    // receive buffers in another order than it gets them.
    std::vector<uint16_t> out;

    bool operator==(const VirtqueueState&) const = default;
};

class Virtqueue {
public:
    // `features`: as negotiated; VIRTIO_F_EVENT_IDX and VIRTIO_F_INDIRECT_DESC matter here.
    // `start`: of a queue that goes on where another one stood. Errors: EINVAL (size, alignment or
    // `start`), EFAULT (a ring is not all in RAM).
    static Result<Virtqueue> create(const GuestMemory& memory, const VirtqueueLayout& layout,
                                    uint64_t features, const VirtqueueState& start = {});

    // What create() goes on from. Precondition: all that was pushed is published.
    VirtqueueState save() const;

    // --- What the driver offers (§2.7.13) -------------------------------------------------------

    // The head of the next chain, if there is one. No head is given out twice before it has been
    // pushed, and never more than size() are out: a device may keep a slot for each head. What was
    // out when the queue was saved comes first.
    // Errors: EPROTO (avail.idx jumped, a head out of range, or a head already given out).
    Result<std::optional<uint16_t>> pop();

    // Fetches what the first descriptor of the chain after the next `ahead` ones holds, if there is
    // such a chain, into this processor's cache: the driver has just written it on another one. A
    // hint: nothing that it reads is used.
    void prefetch(uint16_t ahead) const;

    // Puts the last head popped back, as if it had not been popped.
    // Precondition: `head` is the one that the last pop() gave, and not pushed.
    void undo_pop(uint16_t head);

    // --- What the device returns (§2.7.14) ------------------------------------------------------

    // Fills the next used element, not yet visible. `written`: bytes, counted from the start of
    // the writable part, that the device surely wrote. Precondition: `head` was popped and not
    // pushed since. Errors: none after create().
    Result<> push(uint16_t head, uint32_t written);

    // Makes all that was pushed visible, with one store. True if the driver wants to be notified
    // of it (§2.7.7); always false if nothing was pushed.
    Result<bool> publish();

    // --- Kicks (§2.7.10) ------------------------------------------------------------------------

    // Asks the driver not to kick. It may do so all the same. With EVENT_IDX nothing is written:
    // avail_event stays where it is, behind, and the driver passes it once in 65536 chains.
    Result<> disable_kicks();

    // Asks for a kick at the next chain, then looks again, because the driver may have added one
    // before it saw the wish, and will not kick for that one. True: there are chains now, and the
    // caller goes on popping. False: a kick will come. Errors: EPROTO as pop().
    Result<bool> enable_kicks();

    uint16_t size() const { return size_; }
    const GuestMemory& memory() const { return memory_; }
    bool has_indirect() const { return indirect_; }
    VirtqueuePosition position() const { return {next_avail_, next_used_}; }
    // Chains popped and not yet pushed.
    uint16_t in_flight() const { return static_cast<uint16_t>(next_avail_ - next_used_); }

    // A copy of one entry of the descriptor table. Errors: EPROTO (no such index).
    Result<virtq_desc> descriptor(uint16_t index) const;

private:
    // In out_, of a head that is.
    static constexpr uint32_t kOut = 1 << 16;

    Virtqueue(const GuestMemory& memory, const VirtqueueLayout& layout, uint64_t features,
              VirtqueuePosition start);

    Result<> take_out(std::span<const uint16_t> heads);

    // How many chains wait to be popped.
    Result<uint16_t> available();
    GuestAddress used_event() const;
    GuestAddress avail_event() const;

    GuestMemory memory_;  // a view
    GuestAddress desc_;
    GuestAddress avail_;
    GuestAddress used_;
    uint16_t size_;
    bool event_idx_;
    bool indirect_;

    uint16_t next_avail_;
    uint16_t seen_avail_;  // avail.idx when it was last looked at: chains before it are ours to pop
    uint16_t next_used_;
    uint16_t published_;  // used.idx as the driver sees it
    // By head: if popped and not pushed, kOut and next_avail_ of that time, else 0. Made by the
    // first pop(): who creates a queue may be a vCPU's thread, whose filter knows of no heap.
    std::vector<uint32_t> out_;
    std::vector<uint16_t> again_;  // out when the queue was saved, and not popped since; last first
};
