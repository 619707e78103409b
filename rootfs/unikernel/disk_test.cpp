// The disk against a device that looks at the same memory: registers that read what was written,
// and queues that it serves when the test says so.
#include "rootfs/unikernel/disk.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace {

constexpr uint32_t kEventsAndIndirect = 0x30000000;
constexpr uint32_t kVersion1 = 1;    // in the upper half
constexpr uint32_t kFlush = 1 << 9;  // and whatever bit 41 is

class FakeDisk {
public:
    FakeDisk(uint16_t queue_size, uint32_t features) : content_(64 * Disk::kBlockBytes, '\0') {
        at(MmioRegister::MagicValue) = 0x74726976;
        at(MmioRegister::DeviceID) = VIRTIO_ID_BLOCK;
        at(MmioRegister::DeviceFeatures) = features;
        at(MmioRegister::QueueNumMax) = queue_size;
        at(MmioRegister::Config) = static_cast<uint32_t>(content_.size() / 512);
    }

    VirtioDevice find() const {
        return VirtioDevice::find(VIRTIO_ID_BLOCK, std::bit_cast<uint64_t>(words_.get()), 1);
    }

    std::string& content() { return content_; }
    unsigned flushes() const { return flushes_; }

    // Serves what is offered, the last first: a disk may.
    void serve() {
        const auto* const avail = pointer<uint16_t>(MmioRegister::QueueDriverLow);
        auto* const used = pointer<uint16_t>(MmioRegister::QueueDeviceLow);
        const uint32_t size = at(MmioRegister::QueueNum);
        const uint16_t offered = avail[1];
        for (uint16_t n = offered; n != next_; --n) {
            const uint16_t head = avail[2 + (n - 1) % size];
            serve_chain(head);
            const virtq_used_elem element{head, 1};
            std::memcpy(&used[2 + 4 * (used[1] % size)], &element, sizeof element);
            ++used[1];
        }
        next_ = offered;
    }

private:
    uint32_t& at(MmioRegister which) { return words_[static_cast<size_t>(which) / 4]; }

    template <typename T>
    T* pointer(MmioRegister low) const {
        uint64_t address = 0;
        std::memcpy(&address, &words_[static_cast<size_t>(low) / 4], sizeof address);
        return std::bit_cast<T*>(address);
    }

    void serve_chain(uint16_t head) {
        const auto* table = pointer<virtq_desc>(MmioRegister::QueueDescLow);
        if ((table[head].flags & VIRTQ_DESC_F_INDIRECT) != 0) {
            ASSERT_EQ(table[head].len, 3 * sizeof(virtq_desc));
            table = std::bit_cast<const virtq_desc*>(table[head].addr);
            head = 0;
        }
        std::vector<virtq_desc> chain{table[head]};
        while ((chain.back().flags & VIRTQ_DESC_F_NEXT) != 0)
            chain.push_back(table[chain.back().next]);
        ASSERT_EQ(chain.front().len, 16U);
        ASSERT_EQ(chain.back().len, 1U);
        ASSERT_EQ(chain.back().flags, VIRTQ_DESC_F_WRITE);
        const auto* const header = std::bit_cast<const uint32_t*>(chain.front().addr);
        *std::bit_cast<uint8_t*>(chain.back().addr) = transfer(header[0], header[2] * 512UL, chain);
    }

    uint8_t transfer(uint32_t type, uint64_t offset, const std::vector<virtq_desc>& chain) {
        if (type == VIRTIO_BLK_T_FLUSH) {
            ++flushes_;
            return chain.size() == 2 ? VIRTIO_BLK_S_OK : 1;
        }
        if (chain.size() != 3 || chain[1].len > content_.size() - offset) return 1;
        const bool writes = (chain[1].flags & VIRTQ_DESC_F_WRITE) != 0;
        if (writes != (type == VIRTIO_BLK_T_IN)) return 1;
        char* const data = std::bit_cast<char*>(chain[1].addr);
        if (writes) {
            std::memcpy(data, &content_[offset], chain[1].len);
        } else {
            std::memcpy(&content_[offset], data, chain[1].len);
        }
        return VIRTIO_BLK_S_OK;
    }

    std::unique_ptr<uint32_t[]> words_ = std::make_unique<uint32_t[]>(1024);
    std::string content_;
    uint16_t next_ = 0;
    unsigned flushes_ = 0;
};

struct Buffers {
    explicit Buffers(uint16_t slots) : bytes(slots * Disk::kBlockBytes, '\0') {}
    uint64_t address() { return std::bit_cast<uint64_t>(bytes.data()); }
    std::string block(uint16_t slot) {
        return bytes.substr(slot * Disk::kBlockBytes, Disk::kBlockBytes);
    }
    std::string bytes;
};

// Writes block 10 + slot from each slot, all in flight at once, and reads them back from others.
void write_and_read(FakeDisk& device, uint16_t slots) {
    Buffers buffers(slots);
    Disk disk(device.find(), slots, buffers.address());
    ASSERT_TRUE(disk.ok());
    EXPECT_EQ(disk.blocks(), 64U);
    for (uint16_t slot = 0; slot < slots; ++slot) {
        buffers.bytes.replace(slot * Disk::kBlockBytes, Disk::kBlockBytes, Disk::kBlockBytes,
                              static_cast<char>('a' + slot));
        disk.prepare(slot, VIRTIO_BLK_T_OUT);
        disk.add(slot, 10U + slot);
    }
    disk.offer();
    EXPECT_FALSE(disk.has_done());
    device.serve();
    std::set<uint16_t> done;
    while (disk.has_done()) {
        const Disk::Done request = disk.take();
        EXPECT_FALSE(request.failed);
        done.insert(request.slot);
    }
    EXPECT_EQ(done.size(), slots);

    for (uint16_t slot = 0; slot < slots; ++slot) {
        disk.prepare(slot, VIRTIO_BLK_T_IN);
        disk.add(slot, 10U + slots - 1U - slot);
    }
    disk.offer();
    device.serve();
    for (uint16_t slot = 0; slot < slots; ++slot) {
        ASSERT_TRUE(disk.has_done());
        EXPECT_FALSE(disk.take().failed);
        EXPECT_EQ(buffers.block(slot),
                  std::string(Disk::kBlockBytes, static_cast<char>('a' + slots - 1 - slot)));
    }
}

TEST(Disk, ChainsItsDescriptorsInTheQueue) {
    FakeDisk device(256, kEventsAndIndirect | kVersion1);
    write_and_read(device, 20);
}

TEST(Disk, HasTablesOfItsOwnWhereTheQueueIsShort) {
    FakeDisk device(32, kEventsAndIndirect | kVersion1);
    write_and_read(device, 20);
}

TEST(Disk, DoesNotComeUpWhereTheQueueIsTooShort) {
    EXPECT_FALSE(Disk(FakeDisk(16, kEventsAndIndirect | kVersion1).find(), 20, 0).ok());
    EXPECT_FALSE(Disk(FakeDisk(32, kVersion1).find(), 20, 0).ok()) << "no indirect descriptors";
    EXPECT_FALSE(Disk(FakeDisk(0, kVersion1).find(), 1, 0).ok());
    EXPECT_FALSE(Disk(FakeDisk(256, 0).find(), 1, 0).ok()) << "a legacy device";
}

TEST(Disk, SaysWhatFailedAndGoesOn) {
    FakeDisk device(256, kVersion1);
    Buffers buffers(1);
    Disk disk(device.find(), 1, buffers.address());
    disk.prepare(0, VIRTIO_BLK_T_IN);
    for (const uint64_t block : {63U, 64U, 0U}) {
        disk.add(0, block);
        disk.offer();
        device.serve();
        ASSERT_TRUE(disk.has_done());
        EXPECT_EQ(disk.take().failed, block == 64);
    }
}

TEST(Disk, FlushesWithoutData) {
    FakeDisk device(256, kVersion1 | kFlush);
    Buffers buffers(1);
    Disk disk(device.find(), 1, buffers.address());
    ASSERT_TRUE(disk.has_flush());
    disk.prepare(0, VIRTIO_BLK_T_FLUSH);
    disk.add(0, 0);
    disk.offer();
    device.serve();
    ASSERT_TRUE(disk.has_done());
    EXPECT_FALSE(disk.take().failed);
    EXPECT_EQ(device.flushes(), 1U);
    EXPECT_FALSE(Disk(FakeDisk(256, kVersion1).find(), 1, 0).has_flush());
}

}  // namespace
