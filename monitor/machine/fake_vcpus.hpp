// Two vCPUs for tests and fuzz targets: one that drives the devices of a machine by their register
// windows, and one that scribbles over RAM meanwhile. Tests only.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <thread>
#include <vector>

#include "base/fuzz_script.hpp"
#include "base/monotonic_clock.hpp"
#include "base/thread.hpp"
#include "monitor/machine/virtio_devices.hpp"
#include "monitor/memory/layout.hpp"
#include "virtio/fake_driver.hpp"

// One of the two devices, as a driver sees it: by its window.
class WindowDriver {
public:
    using R = MmioRegister;

    static constexpr uint16_t kSize = 8;  // of its queues
    static constexpr uint64_t kPatienceNs = 20'000'000'000;

    WindowDriver(const VirtioDevices& devices, size_t slot, FakeRam& ram)
        : devices_(devices),
          window_(layout::kVirtioMmio + slot * layout::kVirtioMmioSize),
          ram_(ram) {}
    // The driver that `other` is, whose device goes on among `devices`.
    WindowDriver(const WindowDriver& other, const VirtioDevices& devices)
        : devices_(devices), window_(other.window_), ram_(other.ram_), queues_(other.queues_) {}

    uint32_t read(R which) const {
        uint32_t value = 0;
        check(devices_.read(window_ + static_cast<uint64_t>(which),
                            std::as_writable_bytes(std::span(&value, 1))));
        return value;
    }
    void write(R which, uint32_t value) const {
        check(devices_.write(window_ + static_cast<uint64_t>(which),
                             std::as_bytes(std::span(&value, 1))));
    }

    // §3.1.1. False where the device does not take it.
    bool start(uint64_t features, size_t queues) {
        reset();
        if (read(R::Status) != 0) return false;
        write(R::Status, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
        features = offered() & (features | feature(VIRTIO_F_VERSION_1));
        for (const uint32_t half : {0U, 1U}) {
            write(R::DriverFeaturesSel, half);
            write(R::DriverFeatures, static_cast<uint32_t>(features >> (32 * half)));
        }
        constexpr uint32_t kOk =
            VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK;
        write(R::Status, kOk);
        for (size_t i = 0; i < queues; ++i) {
            queues_.emplace_back(ram_, kSize, features);
            set_up(static_cast<uint32_t>(i), queues_.back().layout());
        }
        write(R::Status, kOk | VIRTIO_STATUS_DRIVER_OK);
        return (read(R::Status) & VIRTIO_STATUS_FEATURES_OK) != 0;
    }
    void reset() {
        queues_.clear();
        write(R::Status, 0);
    }

    bool has(size_t queue) const { return queue < queues_.size(); }
    FakeQueue& queue(size_t index) { return queues_[index]; }

    void offer(size_t index, std::initializer_list<Piece> pieces) {
        if (!has(index)) return;
        FakeQueue& queue = queues_[index];
        if (queue.free_descriptors() < pieces.size()) return;
        queue.add(pieces);
        if (queue.offer()) write(R::QueueNotify, static_cast<uint32_t>(index));
    }

    // For those who know that it comes.
    virtq_used_elem await_used(size_t index) {
        const uint64_t give_up_ns = monotonic_ns() + kPatienceNs;
        for (;;) {
            if (const auto used = queues_[index].take_used(); used.has_value()) return *used;
            check(monotonic_ns() < give_up_ns);
            std::this_thread::yield();
        }
    }

private:
    uint64_t offered() const {
        write(R::DeviceFeaturesSel, 1);
        const uint64_t high = read(R::DeviceFeatures);
        write(R::DeviceFeaturesSel, 0);
        return high << 32 | read(R::DeviceFeatures);
    }
    void set_up(uint32_t index, const VirtqueueLayout& layout) const {
        write(R::QueueSel, index);
        write(R::QueueNum, layout.size);
        write(R::QueueDescLow, static_cast<uint32_t>(layout.desc.value));
        write(R::QueueDriverLow, static_cast<uint32_t>(layout.driver.value));
        write(R::QueueDeviceLow, static_cast<uint32_t>(layout.device.value));
        write(R::QueueReady, 1);
    }

    const VirtioDevices& devices_;
    GuestAddress window_;
    FakeRam& ram_;
    std::vector<FakeQueue> queues_;
};

// The second vCPU. It writes to a part of RAM, again and again, what a counter makes.
class Scribbler {
public:
    explicit Scribbler(FakeRam& ram)
        : ram_(ram), thread_(Thread::start("scribbler", [this] { live(); }).value()) {}
    Scribbler(const Scribbler&) = delete;
    Scribbler& operator=(const Scribbler&) = delete;
    ~Scribbler() { tell(kEnd); }

    // `length` bytes from `at`, of which any may get any value below `below`; none: 0.
    void write_to(uint16_t at, uint16_t length, uint16_t below) {
        tell(uint64_t{below} << 32 | uint64_t{length} << 16 | at);
    }

private:
    static constexpr uint64_t kEnd = ~uint64_t{0};

    void tell(uint64_t where) {
        where_ = where;
        where_.notify_one();
    }
    void live() {
        for (uint64_t state = 1;; state = state * 6364136223846793005U + 1) {
            const uint64_t where = where_;
            if (where == kEnd) return;
            const auto length = static_cast<uint16_t>(where >> 16);
            const auto below = static_cast<uint16_t>(where >> 32);
            if (length == 0 || below == 0) {
                where_.wait(where);
                continue;
            }
            const uint64_t at = static_cast<uint16_t>(where) + (state >> 33) % length;
            ram_.store_shared(GuestAddress{at % (ram_.bytes().size() - 2) & ~uint64_t{1}},
                              static_cast<uint16_t>((state >> 48) % below));
        }
    }

    FakeRam& ram_;
    std::atomic<uint64_t> where_{0};
    Thread thread_;
};
