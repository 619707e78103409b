#include "rootfs/unikernel/disk.hpp"

namespace {

// §5.2.3 feature bits; §5.2.4: the capacity is in sectors.
constexpr unsigned VIRTIO_BLK_F_FLUSH = 9;
constexpr uint32_t kCapacity = 0;
constexpr uint64_t kSectorBytes = 512;
constexpr uint64_t kSectorsPerBlock = Disk::kBlockBytes / kSectorBytes;

struct virtio_blk_req_header {
    uint32_t type;  //  0  VIRTIO_BLK_T_*
    uint32_t reserved;
    uint64_t sector;  //  8
};
static_assert(sizeof(virtio_blk_req_header) == 16);

// What a status byte is before the device writes it.
constexpr uint8_t kUntouched = 0xff;

struct Slot {
    virtio_blk_req_header header;
    virtq_desc table[3];  // where the queue's own is too short
    uint8_t status;
};

// What the device reaches: there is no heap to take it from.
// NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables)
VirtqueueMemory queue_memory;
Slot memory[Disk::kMostSlots];
// NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables)

// The shortest queue that has `descriptors`.
constexpr uint16_t queue_size(uint16_t descriptors) {
    uint16_t size = 1;
    while (size < descriptors) size = static_cast<uint16_t>(size * 2);
    return size;
}
static_assert(queue_size(3 * Disk::kMostSlots) <= VirtqueueMemory::kMaxSize);

}  // namespace

Disk::Disk(const VirtioDevice& device, uint16_t slots, uint64_t data)
    : device_(device), slots_(slots), data_(data) {
    if (!device_.negotiate(feature(VIRTIO_BLK_F_FLUSH) | feature(VIRTIO_F_INDIRECT_DESC))) return;
    const auto wanted = static_cast<uint16_t>(kDescriptors * slots);
    Virtqueue queue = device_.set_up_queue(kQueue, queue_memory, queue_size(wanted));
    indirect_ = queue.size() < wanted;
    if (indirect_ && (!device_.has(VIRTIO_F_INDIRECT_DESC) || queue.size() < slots)) return;
    device_.start();
    queue_ = queue;
    const uint64_t low = device_.config32(kCapacity);
    blocks_ = (uint64_t{device_.config32(kCapacity + 4)} << 32 | low) / kSectorsPerBlock;
}

bool Disk::has_flush() const {
    return device_.has(VIRTIO_BLK_F_FLUSH);
}

void Disk::prepare(uint16_t slot, uint32_t type) {
    Slot& own = memory[slot];
    own.header = {type, 0, 0};
    const auto first = static_cast<uint16_t>(indirect_ ? 0 : kDescriptors * slot);
    const auto data = static_cast<uint16_t>(first + 1);
    const auto status = static_cast<uint16_t>(first + 2);
    virtq_desc* const table = indirect_ ? own.table : &queue_.desc(first);

    const uint16_t data_flags =
        type == VIRTIO_BLK_T_IN ? VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE : VIRTQ_DESC_F_NEXT;
    table[0] = {std::bit_cast<uint64_t>(&own.header), sizeof own.header, VIRTQ_DESC_F_NEXT,
                type == VIRTIO_BLK_T_FLUSH ? status : data};  // a flush has no data
    table[1] = {this->data(slot), kBlockBytes, data_flags, status};
    table[2] = {std::bit_cast<uint64_t>(&own.status), sizeof own.status, VIRTQ_DESC_F_WRITE, 0};
    if (indirect_) {
        queue_.desc(slot) = {std::bit_cast<uint64_t>(table), sizeof own.table,
                             VIRTQ_DESC_F_INDIRECT, 0};
    }
}

void Disk::add(uint16_t slot, uint64_t block) {
    memory[slot].header.sector = block * kSectorsPerBlock;
    memory[slot].status = kUntouched;
    queue_.add(static_cast<uint16_t>(indirect_ ? slot : kDescriptors * slot));
}

Disk::Done Disk::take() {
    const uint32_t head = queue_.take_used().id;
    const auto slot = static_cast<uint16_t>((indirect_ ? head : head / kDescriptors) % kMostSlots);
    return {slot, memory[slot].status != VIRTIO_BLK_S_OK};
}
