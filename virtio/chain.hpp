// A descriptor chain: one buffer of the driver, scattered over guest memory. Virtio 1.2 §2.7.5.
//
// walk() reads each descriptor once and checks the copy; from then on the chain is what the
// caller's storage says, whatever the driver does to its tables. A device-readable part comes
// first, then a device-writable part (§2.7.4.2), and each is bytes addressed by their offset from
// the part's start: where the driver cut them into descriptors carries no meaning (§2.7.4).
//
// A Chain is a view of its storage and of the queue's guest memory; both outlive it. What a device
// needs after the storage is reused (the address of a status byte, I/O vectors) it takes out
// before. Used on the I/O thread.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "virtio/guest_memory.hpp"
#include "virtio/virtqueue.hpp"

// What one descriptor stands for: a run of guest RAM, not empty.
struct Segment {
    GuestAddress at;
    uint32_t length = 0;
};

// The part of a chain that the device reads, or the part that it writes.
class ChainPart {
public:
    uint32_t size_bytes() const { return size_bytes_; }
    std::span<const Segment> segments() const { return segments_; }

    // Where the byte at `offset` is. Errors: EPROTO (past the end).
    Result<GuestAddress> locate(uint32_t offset) const;

    // The bytes [offset, offset + length), as I/O vectors for the kernel, in the front of
    // `storage`; segments().size() vectors are always enough. A length of 0 gives none.
    // Errors: EPROTO (past the end), ENOBUFS (too little storage).
    Result<std::span<iovec>> gather(uint32_t offset, uint32_t length,
                                    std::span<iovec> storage) const;

protected:
    ChainPart(const GuestMemory& memory, std::span<const Segment> segments, uint32_t size_bytes)
        : memory_(&memory), segments_(segments), size_bytes_(size_bytes) {}

    // Calls visit(address, length, done), which returns Result<>, for each contiguous piece of
    // [offset, offset + length); `done` bytes came before it. Errors: EPROTO (past the end),
    // visit's.
    template <typename Visit>
    Result<> for_each_piece(uint32_t offset, size_t length, Visit visit) const;

    const GuestMemory* memory_;

private:
    std::span<const Segment> segments_;
    uint32_t size_bytes_;
};

// What the driver says. A device MUST NOT write to it (§2.7.5.1), and here it cannot.
class ReadablePart : public ChainPart {
public:
    // Copies to.size() bytes from `offset`. Errors: EPROTO (the part ends before).
    Result<> copy_out(uint32_t offset, std::span<std::byte> to) const;

    // The same for a structure: as a rule all of it is in the first segment.
    template <GuestPod T>
    Result<T> read(uint32_t offset) const {
        if (!segments().empty()) {
            const Segment& first = segments().front();
            if (offset <= first.length && sizeof(T) <= first.length - offset)
                return memory_->read<T>(first.at + offset);
        }
        T copy{};
        TRY(copy_out(offset, std::as_writable_bytes(std::span(&copy, 1))));
        return copy;
    }

private:
    friend class Chain;
    using ChainPart::ChainPart;
};

// Where the device answers.
class WritablePart : public ChainPart {
public:
    // Copies `from` to `offset`. Errors: EPROTO (the part ends before).
    Result<> copy_in(uint32_t offset, std::span<const std::byte> from) const;

    template <GuestPod T>
    Result<> write(uint32_t offset, const T& value) const {
        return copy_in(offset, std::as_bytes(std::span(&value, 1)));
    }

private:
    friend class Chain;
    using ChainPart::ChainPart;
};

class Chain {
public:
    // Follows the chain from `head`, which queue.pop() gave, into `storage`. queue.size() segments
    // are always enough: no valid chain is longer (§2.7.5.3.1).
    //
    // Errors: EPROTO: a loop or a chain longer than the queue, 2^32 bytes or more in all
    // (§2.7.5.2; used.len could not tell them), readable after writable, an index out of its
    // table, an indirect table that was not negotiated, is nested, has a NEXT, or is not whole
    // entries; and a descriptor of no bytes, which has no meaning and which QEMU and vhost-user
    // back ends refuse too. EFAULT: not in RAM. ENOBUFS: `storage` is full; the chain may be good.
    static Result<Chain> walk(const Virtqueue& queue, uint16_t head, std::span<Segment> storage);

    uint16_t head() const { return head_; }
    const ReadablePart& readable() const { return readable_; }
    const WritablePart& writable() const { return writable_; }

private:
    Chain(uint16_t head, ReadablePart readable, WritablePart writable)
        : head_(head), readable_(readable), writable_(writable) {}

    uint16_t head_;
    ReadablePart readable_;
    WritablePart writable_;
};
