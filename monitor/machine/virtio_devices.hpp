// The VM's virtio devices: each with its transport, its interrupt and its register window, and the
// I/O loop that all of them and the console share. Owned by the machine; made by the main thread,
// then of the I/O thread, save for register accesses, which come on vCPU threads.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/event_fd.hpp"
#include "base/io_loop.hpp"
#include "base/restricted_uring.hpp"
#include "base/result.hpp"
#include "monitor/kvm/wiring.hpp"
#include "monitor/machine/host_files.hpp"
#include "monitor/metrics/metrics.hpp"
#include "virtio/block.hpp"
#include "virtio/device_state.hpp"
#include "virtio/guest_memory.hpp"
#include "virtio/mmio.hpp"
#include "virtio/net.hpp"

class VirtioDevices {
public:
    // Makes the drives and NICs of `shape` of their `files`, with the limits of `host`, and says
    // how they are connected: one ioeventfd per queue, one irqfd per device. Drives have the first
    // windows and interrupts, NICs the next, in the order given. `windows` has a page for each,
    // which the guest reads without leaving; it and `loop` outlive the devices. Once.
    //
    // `states`: none, or of each device, in the same order, that of the one in whose place it goes
    // on; its limits are in there. They are all held then, until hold(false).
    //
    // Errors: EMFILE; as IoEngine::add_file(); as MmioTransport::create(), Block::create() and
    // Net::create(), about the device's id; EINVAL: `states` are of other devices.
    Result<> add_all(const MachineShape& shape, const HostConfig& host, DeviceFiles files,
                     std::span<std::byte> windows, Wiring& wiring, const GuestMemory& memory,
                     IoLoop& loop, std::span<const VirtioDeviceState> states = {});

    // What add_all() goes on from, at `now_ns` of the monotonic clock. I/O thread. Precondition:
    // they are held, and no vCPU runs. Errors: EBUSY: one of them is not still.
    Result<std::vector<VirtioDeviceState>> save(uint64_t now_ns) const;

    // In the order of the shape.
    std::span<Block* const> blocks() const { return blocks_; }
    std::span<Net* const> nets() const { return nets_; }

    // All of them: see Block and Net. I/O thread, or before it starts.
    void hold(bool holds) const;
    bool are_still() const;

    // Their counters are among `metrics` from now on.
    void attach_to(Metrics& metrics) const;

    // vCPU threads: an access at guest address `at`. False where no device answers.
    bool read(GuestAddress at, std::span<std::byte> data) const;
    bool write(GuestAddress at, std::span<const std::byte> data) const;

private:
    struct Slot {
        std::string id;
        std::unique_ptr<EventFd> interrupt;
        std::unique_ptr<VirtioDevice> device;
        std::unique_ptr<MmioTransport> transport;
    };

    // Gives `device` the next window.
    Result<> add(std::string id, std::unique_ptr<VirtioDevice> device, IoWorker& worker,
                 Wiring& wiring, const GuestMemory& memory, IoLoop& loop,
                 const MmioTransportState& state);
    MmioTransport* find(GuestAddress at) const;

    std::span<std::byte> windows_;         // a page for each device
    std::optional<EventFd> acknowledged_;  // signalled by drivers, and waited for by nobody
    std::vector<Slot> slots_;
    // In the slots.
    std::vector<Block*> blocks_;
    std::vector<Net*> nets_;
};

// The loop for so many devices. It runs on io_uring where there are devices; on plain I/O for a VM
// that has none, whose console needs no ring, and where io_uring is not to be had, with a line that
// says why. Errors: as IoLoop::create().
Result<std::unique_ptr<IoLoop>> create_loop(size_t device_count, RingFiles files);
