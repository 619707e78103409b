// A block device (Virtio 1.2 §5.2), worked in blocks of 4 KiB from a number of slots. Each slot is
// one request in flight: a header, a block of data and a status byte, in three descriptors that are
// laid out once and used again and again.
#pragma once

#include <cstdint>

#include "rootfs/unikernel/virtio_device.hpp"

// §5.2.6 Device Operation
constexpr uint32_t VIRTIO_BLK_T_IN = 0;
constexpr uint32_t VIRTIO_BLK_T_OUT = 1;
constexpr uint32_t VIRTIO_BLK_T_FLUSH = 4;
constexpr uint8_t VIRTIO_BLK_S_OK = 0;

class Disk {
public:
    static constexpr uint64_t kMostSlots = 128;
    static constexpr uint64_t kBlockBytes = 4096;

    // Brings `device` up. `data` is the address of `slots` * kBlockBytes bytes of RAM. There is one
    // Disk at a time: its rings are static.
    Disk(const VirtioDevice& device, uint16_t slots, uint64_t data);

    // Whether the device came up, and has a queue for that many slots. The rest is meaningless if
    // not.
    bool ok() const { return queue_.size() != 0; }

    uint16_t slots() const { return slots_; }
    uint64_t blocks() const { return blocks_; }
    bool has_flush() const;

    // The slot's block, to be written before start() and read after take().
    uint64_t data(uint16_t slot) const { return data_ + slot * kBlockBytes; }

    // What a free slot's requests do from now on: VIRTIO_BLK_T_*.
    void prepare(uint16_t slot, uint32_t type);

    // Adds a request of a free slot, of which the device learns with offer().
    void add(uint16_t slot, uint64_t block);
    void offer() { device_.offer(kQueue, queue_); }

    // Waits until a slot is done. False if the device gave up.
    bool wait() const { return device_.wait(queue_); }
    bool has_done() const { return queue_.has_used(); }

    // A slot that is done, and free again. Precondition: has_done().
    struct Done {
        uint16_t slot;
        bool failed;
    };
    Done take();

private:
    static constexpr uint16_t kQueue = 0;  // requestq1
    static constexpr uint16_t kDescriptors = 3;

    VirtioDevice device_;
    Virtqueue queue_;
    uint16_t slots_;
    bool indirect_ = false;  // the queue is too short for three descriptors a slot
    uint64_t blocks_ = 0;
    uint64_t data_;
};
