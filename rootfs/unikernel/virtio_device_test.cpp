// The registers here are plain memory, which reads what was written: enough for a handshake in
// which the device agrees, and for one in which it is not what it seems.
#include "rootfs/unikernel/virtio_device.hpp"

#include <gtest/gtest.h>
#include <memory>

namespace {

constexpr size_t kWindows = 4;
constexpr uint32_t kMagic = 0x74726976;
constexpr uint32_t kEventAndIndirect = 0x30000000;  // in both halves; VERSION_1 is added below

class VirtioDeviceTest : public testing::Test {
protected:
    uint32_t& at(size_t window, MmioRegister which) {
        return words_[(window * guest_abi::kVirtioMmioSize + static_cast<size_t>(which)) / 4];
    }

    void put_device(size_t window, uint32_t id) {
        at(window, MmioRegister::MagicValue) = kMagic;
        at(window, MmioRegister::DeviceID) = id;
        at(window, MmioRegister::DeviceFeatures) = kEventAndIndirect | 1;
        at(window, MmioRegister::QueueNumMax) = 256;
    }

    VirtioDevice find(uint32_t id) const {
        return VirtioDevice::find(id, std::bit_cast<uint64_t>(words_.get()), kWindows);
    }

    std::unique_ptr<uint32_t[]> words_ =
        std::make_unique<uint32_t[]>(kWindows * guest_abi::kVirtioMmioSize / 4);
    std::unique_ptr<VirtqueueMemory> memory_ = std::make_unique<VirtqueueMemory>();
};

TEST_F(VirtioDeviceTest, IsTheFirstOfItsType) {
    put_device(0, VIRTIO_ID_NET);
    put_device(1, VIRTIO_ID_BLOCK);
    put_device(2, VIRTIO_ID_BLOCK);
    VirtioDevice disk = find(VIRTIO_ID_BLOCK);
    ASSERT_TRUE(disk.found());
    ASSERT_TRUE(disk.negotiate(0));
    EXPECT_NE(at(1, MmioRegister::Status), 0U);
    EXPECT_EQ(at(2, MmioRegister::Status), 0U);
}

TEST_F(VirtioDeviceTest, IsNotSoughtBehindAGap) {
    EXPECT_FALSE(find(VIRTIO_ID_BLOCK).found());
    put_device(2, VIRTIO_ID_BLOCK);
    at(0, MmioRegister::MagicValue) = 0xffffffff;
    EXPECT_FALSE(find(VIRTIO_ID_BLOCK).found());
    put_device(0, VIRTIO_ID_NET);
    put_device(1, 0);  // a window, and no device
    EXPECT_FALSE(find(VIRTIO_ID_BLOCK).found());
}

TEST_F(VirtioDeviceTest, IsNotSoughtBehindTheLastWindow) {
    for (size_t i = 0; i < kWindows; ++i) put_device(i, VIRTIO_ID_NET);
    EXPECT_FALSE(find(VIRTIO_ID_BLOCK).found());
}

TEST_F(VirtioDeviceTest, TakesWhatBothSidesWant) {
    put_device(0, VIRTIO_ID_BLOCK);
    VirtioDevice disk = find(VIRTIO_ID_BLOCK);
    ASSERT_TRUE(disk.negotiate(feature(0) | feature(9)));
    EXPECT_TRUE(disk.has(0));
    EXPECT_FALSE(disk.has(9)) << "it is not offered";
    EXPECT_FALSE(disk.has(VIRTIO_F_INDIRECT_DESC)) << "it is not wanted";
    EXPECT_TRUE(disk.has(VIRTIO_F_EVENT_IDX));
    EXPECT_TRUE(disk.has(VIRTIO_F_VERSION_1));
    EXPECT_EQ(at(0, MmioRegister::DriverFeatures), 1U) << "the upper half, which comes last";
    EXPECT_EQ(at(0, MmioRegister::Status), 11U);
    disk.start();
    EXPECT_EQ(at(0, MmioRegister::Status), 15U);
}

TEST_F(VirtioDeviceTest, RefusesALegacyDevice) {
    put_device(0, VIRTIO_ID_BLOCK);
    at(0, MmioRegister::DeviceFeatures) = kEventAndIndirect;
    EXPECT_FALSE(find(VIRTIO_ID_BLOCK).negotiate(0));
}

TEST_F(VirtioDeviceTest, LaysOutAQueueThatTheDeviceTakes) {
    put_device(0, VIRTIO_ID_BLOCK);
    VirtioDevice disk = find(VIRTIO_ID_BLOCK);
    ASSERT_TRUE(disk.negotiate(0));
    const Virtqueue queue = disk.set_up_queue(1, *memory_, 512);
    EXPECT_EQ(queue.size(), 256);
    EXPECT_EQ(at(0, MmioRegister::QueueSel), 1U);
    EXPECT_EQ(at(0, MmioRegister::QueueNum), 256U);
    EXPECT_EQ(at(0, MmioRegister::QueueReady), 1U);
    const auto desc = std::bit_cast<uint64_t>(&memory_->desc);
    EXPECT_EQ(at(0, MmioRegister::QueueDescLow), static_cast<uint32_t>(desc));
    EXPECT_EQ(words_[static_cast<size_t>(MmioRegister::QueueDescLow) / 4 + 1],
              static_cast<uint32_t>(desc >> 32));
    EXPECT_EQ(disk.set_up_queue(0, *memory_, 64).size(), 64);

    at(0, MmioRegister::QueueNumMax) = 0;
    EXPECT_EQ(disk.set_up_queue(2, *memory_, 64).size(), 0) << "there is no such queue";
}

TEST_F(VirtioDeviceTest, KicksWithTheQueuesIndex) {
    put_device(0, VIRTIO_ID_NET);
    VirtioDevice net = find(VIRTIO_ID_NET);
    ASSERT_TRUE(net.negotiate(0));
    Virtqueue queue = net.set_up_queue(1, *memory_, 64);
    queue.add(0);
    net.offer(1, queue);
    EXPECT_EQ(at(0, MmioRegister::QueueNotify), 1U);
    at(0, MmioRegister::QueueNotify) = 0;
    queue.add(1);
    net.offer(1, queue);
    EXPECT_EQ(at(0, MmioRegister::QueueNotify), 0U) << "the device has not asked again";
}

}  // namespace
