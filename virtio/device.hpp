// The contract between a virtio transport and a device type (block, net). Virtio 1.2 §2.
//
// One thread. Everything a device does with its queues happens on the I/O thread: the transport
// calls it there, and the device calls the transport there. So a device type needs no lock. What
// vCPU threads do to registers stays in the transport, and reaches the device as start_queue(),
// stop_queue() and on_kick(). Only the constants below are asked for elsewhere, before the
// machine runs.
//
// A queue's life: start_queue(), any number of on_kick(), stop_queue(), and then, at once or when
// the last request that touches the guest's buffers has ended in the kernel, queue_stopped(). Only
// after that does the driver see the reset as done, and may use the buffers' memory for something
// else (§2.4.2, §2.6.1). Resetting one queue and resetting the device are the same to a device.
//
// A device whose driver broke the protocol calls fail() and leaves its queues alone; it is still
// told to stop them when the driver resets it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/pinned.hpp"
#include "base/result.hpp"
#include "virtio/virtqueue.hpp"

// What a device sees of its transport. I/O thread, unless it says otherwise.
class VirtioTransport : private Pinned {
public:
    // A used buffer notification: to be called when Virtqueue::publish() says so.
    virtual void notify_used() = 0;

    // The device's configuration space is `config` from now on; no longer than it was at first. The
    // driver sees a new generation, and is notified if it runs. Any thread.
    virtual void set_config(std::span<const std::byte> config) = 0;

    // §2.1.2: the device cannot go on until the driver resets it. `why` is logged, at a bounded
    // rate.
    virtual void fail(const Error& why) = 0;
    // From fail() until the reset: touch no queue.
    virtual bool has_failed() const = 0;

    // Nothing of this queue is in flight any more, and the device has forgotten it. The answer to
    // stop_queue(); may be given inside of it.
    virtual void queue_stopped(uint16_t index) = 0;

protected:
    ~VirtioTransport() = default;
};

class VirtioDevice : private Pinned {
public:
    virtual ~VirtioDevice() = default;

    // --- Constants, asked for when the transport is created -------------------------------------

    virtual uint32_t device_id() const = 0;  // §5: VIRTIO_ID_*
    // The device type's own feature bits; the transport adds those of rings and transport.
    virtual uint64_t offered_features() const = 0;
    // One entry for each queue: the most entries it may have, a power of two.
    virtual std::span<const uint16_t> max_queue_sizes() const = 0;
    // What the configuration space holds at first. No field of it is writable.
    virtual std::span<const std::byte> config() const = 0;

    // Called once, when the transport is created. It outlives every other call.
    virtual void attach(VirtioTransport& transport) = 0;

    // --- I/O thread -----------------------------------------------------------------------------

    // The driver is ready (DRIVER_OK), with these features: a subset of the offered ones and the
    // transport's. No queue runs. An error fails the device.
    virtual Result<> activate(uint64_t features) = 0;

    // Queue `index` is set up. on_kick() follows for it, whether the driver kicked or not.
    virtual void start_queue(uint16_t index, Virtqueue queue) = 0;

    // The driver may have added chains to queue `index`, which runs.
    virtual void on_kick(uint16_t index) = 0;

    // What another device's start_queue() needs in order to go on with queue `index`, which runs.
    // Precondition: no chain of it is with the kernel, and what was pushed is published.
    virtual VirtqueueState save_queue(uint16_t index) const = 0;

    // Begin nothing new on queue `index`; get what is in flight ended (cancelled if that is
    // possible), publish nothing more, then call queue_stopped(index).
    virtual void stop_queue(uint16_t index) = 0;
};
