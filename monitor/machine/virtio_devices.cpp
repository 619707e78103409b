#include "monitor/machine/virtio_devices.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "base/monotonic_clock.hpp"
#include "base/plain_engine.hpp"
#include "base/ring.hpp"
#include "monitor/memory/layout.hpp"
#include "virtio/block.hpp"
#include "virtio/disk_format.hpp"
#include "virtio/net.hpp"

namespace {

// Requests in one system call; as many more wait for the next.
constexpr unsigned kRingEntries = 64;

GuestAddress window(size_t slot) {
    return layout::kVirtioMmio + slot * layout::kVirtioMmioSize;
}

// Here, and not where it is opened: the API's thread reads no files.
void warn_of_format(const DriveHost& drive, DiskAccess access, const Disk& disk) {
    const char* words = foreign_format(disk.fd(), disk.file_bytes());
    if (words == nullptr && access == DiskAccess::kReadOnly) words = unplayed_journal(disk.fd());
    if (words != nullptr) LOG_WARNING("%s: %s", drive.path.c_str(), words);
}

Result<std::unique_ptr<Block>> create_block(const DriveShape& shape, const DriveHost& host,
                                            Disk disk, IoEngine& engine,
                                            const VirtioDeviceState* state) {
    const BlockConfig block{.id = shape.id, .cache = shape.cache, .limits = host.limits};
    if (state == nullptr) return Block::create(std::move(disk), block, engine);
    if (!state->block.has_value())
        return Error{"device", EINVAL, "is no drive in the snapshot"}.about(shape.id);
    return Block::create(std::move(disk), block, engine, *state->block, monotonic_ns());
}

Result<std::unique_ptr<Net>> create_net(const NicShape& shape, const NicHost& host, Tap tap,
                                        IoEngine& engine, const VirtioDeviceState* state) {
    const NetConfig net{.id = shape.id,
                        .mac = shape.mac.value_or(MacAddress{}),
                        .mtu = shape.mtu,
                        .receive_limits = host.receive_limits,
                        .transmit_limits = host.transmit_limits};
    if (state == nullptr) return Net::create(std::move(tap), net, engine);
    if (!state->net.has_value())
        return Error{"device", EINVAL, "is no NIC in the snapshot"}.about(shape.id);
    return Net::create(std::move(tap), net, engine, *state->net, monotonic_ns());
}

std::unique_ptr<IoEngine> create_engine(RingFiles files) {
    Result<std::unique_ptr<Ring>> ring = Ring::create(kRingEntries, files);
    if (ring.ok()) return std::move(ring).value();
    log_error(ring.error());
    LOG_WARNING("devices use plain reads and writes instead of io_uring, and are slower");
    return PlainEngine::create();
}

}  // namespace

Result<std::unique_ptr<IoLoop>> create_loop(size_t device_count, RingFiles files) {
    if (device_count == 0) return IoLoop::create(PlainEngine::create(), IoPolling::kNever);
    return IoLoop::create(create_engine(files), polling_for_this_process());
}

Result<> VirtioDevices::add_all(const MachineShape& shape, const HostConfig& host,
                                DeviceFiles files, std::span<std::byte> windows, Wiring& wiring,
                                const GuestMemory& memory, IoLoop& loop,
                                std::span<const VirtioDeviceState> states) {
    if (!states.empty() && states.size() != shape.device_count())
        return Error{"devices", EINVAL, "are not as many as in the snapshot", states.size()};
    if (shape.device_count() == 0) return Ok{};
    const MmioTransportState at_boot;
    windows_ = windows;
    acknowledged_.emplace(TRY(EventFd::create()));
    slots_.reserve(shape.device_count());
    for (size_t i = 0; i < shape.drives.size(); ++i) {
        warn_of_format(host.drives[i], shape.drives[i].access, files.disks[i]);
        const VirtioDeviceState* const state = states.empty() ? nullptr : &states[i];
        std::unique_ptr<Block> block = TRY(create_block(
            shape.drives[i], host.drives[i], std::move(files.disks[i]), loop.engine(), state));
        Block& worker = *blocks_.emplace_back(block.get());
        TRY(add(shape.drives[i].id, std::move(block), worker, wiring, memory, loop,
                state == nullptr ? at_boot : state->transport));
    }
    for (size_t i = 0; i < shape.nics.size(); ++i) {
        const VirtioDeviceState* const state =
            states.empty() ? nullptr : &states[shape.drives.size() + i];
        std::unique_ptr<Net> net = TRY(create_net(shape.nics[i], host.nics[i],
                                                  std::move(files.taps[i]), loop.engine(), state));
        Net& worker = *nets_.emplace_back(net.get());
        TRY(add(shape.nics[i].id, std::move(net), worker, wiring, memory, loop,
                state == nullptr ? at_boot : state->transport));
    }
    if (!states.empty()) hold(true);
    return Ok{};
}

Result<> VirtioDevices::add(std::string id, std::unique_ptr<VirtioDevice> device, IoWorker& worker,
                            Wiring& wiring, const GuestMemory& memory, IoLoop& loop,
                            const MmioTransportState& state) {
    const size_t index = slots_.size();
    auto interrupt = std::make_unique<EventFd>(TRY(EventFd::create()));
    wiring.interrupt(*interrupt, Gsi{layout::kFirstVirtioGsi + static_cast<uint32_t>(index)});
    const auto page = windows_.subspan(index * RegisterPage::kBytes, RegisterPage::kBytes);
    std::unique_ptr<MmioTransport> transport = TRY(MmioTransport::create(
        id, *device, memory, *interrupt, page, MmioTransport::kPatience, state));
    MmioTransport& registers = *transport;
    // A driver acknowledges each interrupt. That of used buffers needs no answer (the bit may stay
    // up, since a driver looks at its queues all the same), so KVM takes the write as a signal of
    // an event that nobody waits for.
    wiring.write(*acknowledged_, window(index) + static_cast<uint64_t>(MmioRegister::InterruptACK),
                 VIRTIO_MMIO_INT_VRING);
    const GuestAddress notify = window(index) + static_cast<uint64_t>(MmioRegister::QueueNotify);
    for (uint16_t queue = 0; queue < registers.queue_count(); ++queue) {
        wiring.write(registers.kick(queue), notify, queue);
        TRY(loop.on_event(registers.kick(queue),
                          [&registers, queue] { registers.on_kick(queue); }));
    }
    TRY(loop.on_event(registers.control(), [&registers] { registers.on_control(); }));
    loop.add(worker);
    slots_.push_back(
        {std::move(id), std::move(interrupt), std::move(device), std::move(transport)});
    return Ok{};
}

Result<std::vector<VirtioDeviceState>> VirtioDevices::save(uint64_t now_ns) const {
    std::vector<VirtioDeviceState> states;
    // Drives have the first slots.
    for (size_t i = 0; i < slots_.size(); ++i) {
        VirtioDeviceState& state = states.emplace_back();
        state.transport = TRY(slots_[i].transport->save());
        if (i < blocks_.size())
            state.block = blocks_[i]->save(now_ns);
        else
            state.net = nets_[i - blocks_.size()]->save(now_ns);
    }
    if (!are_still()) return Error{"disk or NIC", EBUSY, "its requests do not end"};
    return states;
}

void VirtioDevices::hold(bool holds) const {
    for (Block* const block : blocks_) block->hold(holds);
    for (Net* const net : nets_) net->hold(holds);
}

bool VirtioDevices::are_still() const {
    return std::ranges::all_of(blocks_, &Block::is_still) &&
           std::ranges::all_of(nets_, &Net::is_still);
}

void VirtioDevices::attach_to(Metrics& metrics) const {
    // Drives have the first slots.
    for (size_t i = 0; i < slots_.size(); ++i) {
        if (i < blocks_.size())
            metrics.attach(slots_[i].id, blocks_[i]->metrics());
        else
            metrics.attach(slots_[i].id, nets_[i - blocks_.size()]->metrics());
        metrics.attach(slots_[i].id, slots_[i].transport->metrics());
    }
}

MmioTransport* VirtioDevices::find(GuestAddress at) const {
    if (at < layout::kVirtioMmio) return nullptr;
    const uint64_t slot = (at.value - layout::kVirtioMmio.value) / layout::kVirtioMmioSize;
    return slot < slots_.size() ? slots_[slot].transport.get() : nullptr;
}

bool VirtioDevices::read(GuestAddress at, std::span<std::byte> data) const {
    MmioTransport* const transport = find(at);
    if (transport == nullptr) return false;
    transport->read(at.value % layout::kVirtioMmioSize, data);
    return true;
}

bool VirtioDevices::write(GuestAddress at, std::span<const std::byte> data) const {
    MmioTransport* const transport = find(at);
    if (transport == nullptr) return false;
    transport->write(at.value % layout::kVirtioMmioSize, data);
    return true;
}
