#include "virtio/chain.hpp"

#include <algorithm>
#include <limits>
#include <optional>

namespace {

Error broken(const char* hint, std::optional<uint64_t> value = {}) {
    return {"descriptor chain", EPROTO, hint, value};
}

// §2.7.5.3: a table of descriptors in a buffer of its own.
class IndirectTable {
public:
    static Result<IndirectTable> open(const Virtqueue& queue, const virtq_desc& desc) {
        if (!queue.has_indirect()) return broken("has an indirect table that was not negotiated");
        if ((desc.flags & VIRTQ_DESC_F_NEXT) != 0) return broken("goes on after an indirect table");
        if (desc.len == 0 || desc.len % sizeof(virtq_desc) != 0)
            return broken("has an indirect table of odd length", desc.len);
        // All of it is looked for at once, so that no address below can wrap around.
        if (!queue.memory().contains({desc.addr}, desc.len))
            return Error{"indirect table", EFAULT, "is not in guest memory", desc.addr};
        return IndirectTable{queue.memory(), {desc.addr}, desc.len / sizeof(virtq_desc)};
    }

    Result<virtq_desc> entry(uint16_t index) const {
        if (index >= entries_) return broken("leaves its indirect table", index);
        return memory_->read<virtq_desc>(at_ + sizeof(virtq_desc) * index);
    }

private:
    IndirectTable(const GuestMemory& memory, GuestAddress at, uint64_t entries)
        : memory_(&memory), at_(at), entries_(entries) {}

    const GuestMemory* memory_;
    GuestAddress at_;
    uint64_t entries_;
};

// The segments of a chain, as they are found.
class Walk {
public:
    Walk(const Virtqueue& queue, std::span<Segment> storage) : queue_(queue), storage_(storage) {}

    // Every turn but one adds a segment, and add() takes no more than the queue is long: loops end.
    Result<> follow(uint16_t head) {
        std::optional<IndirectTable> table;
        virtq_desc desc = TRY(queue_.descriptor(head));
        for (;;) {
            if ((desc.flags & VIRTQ_DESC_F_INDIRECT) != 0) {
                if (table.has_value()) return broken("has nested indirect tables");
                table = TRY(IndirectTable::open(queue_, desc));
                desc = TRY(table->entry(0));
                continue;
            }
            TRY(add(desc));
            if ((desc.flags & VIRTQ_DESC_F_NEXT) == 0) return Ok{};
            desc = TRY(table.has_value() ? table->entry(desc.next) : queue_.descriptor(desc.next));
        }
    }

    std::span<const Segment> readable() const { return storage_.first(readable_count_); }
    std::span<const Segment> writable() const {
        return storage_.subspan(readable_count_, count_ - readable_count_);
    }
    uint32_t readable_bytes() const { return readable_bytes_; }
    uint32_t writable_bytes() const { return total_bytes_ - readable_bytes_; }

private:
    Result<> add(const virtq_desc& desc) {
        if (count_ == queue_.size()) return broken("is longer than the queue, or a loop");
        if (count_ == storage_.size())
            return Error{"descriptor chain", ENOBUFS, "has too many segments"};
        if (desc.len == 0) return broken("has an empty descriptor");
        if (desc.len > std::numeric_limits<uint32_t>::max() - total_bytes_)
            return broken("is 4 GiB or longer");
        if (!queue_.memory().contains({desc.addr}, desc.len))
            return Error{"descriptor", EFAULT, "is not in guest memory", desc.addr};
        const bool is_readable = (desc.flags & VIRTQ_DESC_F_WRITE) == 0;
        if (is_readable && count_ != readable_count_)
            return broken("has a readable descriptor after a writable one");

        storage_[count_++] = {{desc.addr}, desc.len};
        total_bytes_ += desc.len;
        if (is_readable) {
            ++readable_count_;
            readable_bytes_ = total_bytes_;
        }
        return Ok{};
    }

    const Virtqueue& queue_;
    std::span<Segment> storage_;
    size_t count_ = 0;
    size_t readable_count_ = 0;
    uint32_t total_bytes_ = 0;
    uint32_t readable_bytes_ = 0;
};

}  // namespace

Result<Chain> Chain::walk(const Virtqueue& queue, uint16_t head, std::span<Segment> storage) {
    Walk walk(queue, storage);
    TRY(walk.follow(head));
    return Chain{head, ReadablePart{queue.memory(), walk.readable(), walk.readable_bytes()},
                 WritablePart{queue.memory(), walk.writable(), walk.writable_bytes()}};
}

template <typename Visit>
Result<> ChainPart::for_each_piece(uint32_t offset, size_t length, Visit visit) const {
    if (offset > size_bytes_ || length > size_bytes_ - offset)
        return broken("is shorter than its request", size_bytes_);
    uint32_t skip = offset;
    size_t done = 0;
    for (const Segment& segment : segments_) {
        if (done == length) break;
        if (skip >= segment.length) {
            skip -= segment.length;
            continue;
        }
        const size_t piece = std::min<size_t>(segment.length - skip, length - done);
        TRY(visit(segment.at + skip, piece, done));
        done += piece;
        skip = 0;
    }
    return Ok{};
}

Result<GuestAddress> ChainPart::locate(uint32_t offset) const {
    GuestAddress found;
    TRY(for_each_piece(offset, 1, [&](GuestAddress at, size_t, size_t) -> Result<> {
        found = at;
        return Ok{};
    }));
    return found;
}

Result<std::span<iovec>> ChainPart::gather(uint32_t offset, uint32_t length,
                                           std::span<iovec> storage) const {
    size_t count = 0;
    TRY(for_each_piece(offset, length, [&](GuestAddress at, size_t piece, size_t) -> Result<> {
        if (count == storage.size()) return Error{"I/O vector", ENOBUFS, "has too many segments"};
        storage[count++] = TRY(memory_->io_vector(at, piece));
        return Ok{};
    }));
    return storage.first(count);
}

Result<> ReadablePart::copy_out(uint32_t offset, std::span<std::byte> to) const {
    return for_each_piece(offset, to.size(), [&](GuestAddress at, size_t piece, size_t done) {
        return memory_->read_bytes(at, to.subspan(done, piece));
    });
}

Result<> WritablePart::copy_in(uint32_t offset, std::span<const std::byte> from) const {
    return for_each_piece(offset, from.size(), [&](GuestAddress at, size_t piece, size_t done) {
        return memory_->write_bytes(at, from.subspan(done, piece));
    });
}
