#include "rootfs/unikernel/device_payload.hpp"
#include "rootfs/unikernel/frame.hpp"
#include "rootfs/unikernel/instructions.hpp"
#include "rootfs/unikernel/platform.hpp"
#include "rootfs/unikernel/serial.hpp"
#include "rootfs/unikernel/virtio_device.hpp"

namespace payload {
namespace {

// §5.1.2, §5.1.3 and §5.1.4 of Virtio 1.2.
constexpr uint16_t kReceiveQueue = 0;
constexpr uint16_t kTransmitQueue = 1;
constexpr unsigned VIRTIO_NET_F_MAC = 5;
constexpr uint32_t kMac = 0;

// Before every frame stands a virtio_net_hdr_v1; all zero it says: as it is.
constexpr size_t kHeaderBytes = 12;
constexpr uint64_t kBufferBytes = 2048;  // header and frame
static_assert(kHeaderBytes + kMostFrameBytes <= kBufferBytes);

constexpr uint16_t kMostReceiveBuffers = 256;

// What the device reaches: there is no heap to take it from.
// NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables)
VirtqueueMemory receive_memory;
VirtqueueMemory transmit_memory;
// NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables)

struct Network {
    VirtioDevice device;
    Virtqueue receive;
    Virtqueue transmit;
    uint64_t receive_buffers = 0;
    uint64_t transmit_buffers = 0;
};

View<uint8_t> frame_in(uint64_t buffer, size_t bytes) {
    return {std::bit_cast<uint8_t*>(buffer + kHeaderBytes), bytes};
}

// False if the device does not come up.
bool start(Network& network) {
    VirtioDevice& device = network.device;
    if (!device.negotiate(feature(VIRTIO_NET_F_MAC))) return false;
    network.receive = device.set_up_queue(kReceiveQueue, receive_memory, kMostReceiveBuffers);
    network.transmit = device.set_up_queue(kTransmitQueue, transmit_memory, kMostFramesInFlight);
    if (network.receive.size() == 0 || network.transmit.size() == 0) return false;
    device.start();
    return true;
}

// Lays a frame out for each of the first `count` descriptors of the transmit queue.
void prepare_frames(Network& network, uint16_t count, size_t frame_bytes) {
    MacAddress mac{};
    if (network.device.has(VIRTIO_NET_F_MAC)) {
        for (uint32_t i = 0; i < sizeof mac.bytes; ++i) {
            mac.bytes[i] = network.device.config8(kMac + i);
        }
    }
    for (uint16_t i = 0; i < count; ++i) {
        const uint64_t at = network.transmit_buffers + i * kBufferBytes;
        for (uint64_t offset = 0; offset < kHeaderBytes; ++offset) store8(at + offset, 0);
        write_frame(frame_in(at, frame_bytes), mac);
        network.transmit.desc(i) = {at, static_cast<uint32_t>(kHeaderBytes + frame_bytes), 0, 0};
    }
}

// False if the device gave up.
bool send(Network& network, const Request& request, const Surroundings& around) {
    Virtqueue& queue = network.transmit;
    const size_t bytes = request.frame_bytes;
    const uint64_t count = request.sent_frames;
    const uint64_t batch = request.frame_batch < queue.size() ? request.frame_batch : queue.size();
    prepare_frames(network, static_cast<uint16_t>(batch), bytes);
    uint64_t started = 0;
    const auto add = [&](uint16_t head) {
        number_frame(frame_in(queue.desc(head).addr, bytes), started++);
        queue.add(head);
    };

    const uint64_t start = read_tsc();
    for (uint16_t head = 0; head < batch && started < count; ++head) add(head);
    network.device.offer(kTransmitQueue, queue);
    uint64_t done = 0;
    while (done < count) {
        if (!network.device.wait(queue)) return false;
        for (; done < count && queue.has_used(); ++done) {
            const auto head = static_cast<uint16_t>(queue.take_used().id % queue.size());
            if (started < count) add(head);
        }
        network.device.offer(kTransmitQueue, queue);
    }
    const uint64_t ticks = read_tsc() - start;

    Text line(around.buffer);
    line.add("send-frames: ").add(count).add(" of ").add(bytes).add(" bytes in ");
    around.clock.describe(ticks, line);
    serial::write(line.add("\n").view());
    return true;
}

// The time is that from the first of the frames to the last. False if the device gave up.
bool receive(Network& network, const Request& request, const Surroundings& around) {
    Virtqueue& queue = network.receive;
    for (uint16_t head = 0; head < queue.size(); ++head) {
        queue.desc(head) = {network.receive_buffers + head * kBufferBytes, kBufferBytes,
                            VIRTQ_DESC_F_WRITE, 0};
        queue.add(head);
    }
    network.device.offer(kReceiveQueue, queue);

    uint64_t first = 0;
    uint64_t frames = 0;
    uint64_t total_bytes = 0;
    while (frames < request.awaited_frames) {
        if (!network.device.wait(queue)) return false;
        while (frames < request.awaited_frames && queue.has_used()) {
            const virtq_used_elem used = queue.take_used();
            const auto head = static_cast<uint16_t>(used.id % queue.size());
            const size_t bytes = used.len < kHeaderBytes ? 0 : used.len - kHeaderBytes;
            const View<uint8_t> frame = frame_in(queue.desc(head).addr, bytes);
            if (is_our_frame({frame.data(), frame.size()})) {
                if (frames++ == 0) first = read_tsc();
                total_bytes += bytes;
            }
            queue.add(head);
        }
        network.device.offer(kReceiveQueue, queue);
    }
    const uint64_t ticks = read_tsc() - first;

    Text line(around.buffer);
    line.add("receive-frames: ").add(frames).add(", ").add(total_bytes).add(" bytes in ");
    around.clock.describe(ticks, line);
    serial::write(line.add("\n").view());
    return true;
}

uint8_t give_up(StringView why) {
    serial::write(why);
    return kStatusDeviceFailed;
}

}  // namespace

uint8_t network(const Request& request, const Surroundings& around) {
    const VirtioDevice device = VirtioDevice::find(VIRTIO_ID_NET);
    if (!device.found()) {
        serial::write("no network device\n");
        return kStatusNoDevice;
    }
    constexpr uint64_t kReceiveBytes = kMostReceiveBuffers * kBufferBytes;
    constexpr uint64_t kTransmitBytes = kMostFramesInFlight * kBufferBytes;
    const uint64_t room =
        find_room(around.map, platform::kFreeMemory, kReceiveBytes + kTransmitBytes);
    if (room == 0) return give_up("network: no room for its frames\n");
    Network network{.device = device,
                    .receive = {},
                    .transmit = {},
                    .receive_buffers = room,
                    .transmit_buffers = room + kReceiveBytes};
    if (!start(network)) return give_up("network: it does not come up\n");

    if ((request.sent_frames != 0 && !send(network, request, around)) ||
        (request.awaited_frames != 0 && !receive(network, request, around)))
        return give_up("network: it needs a reset\n");
    return 0;
}

}  // namespace payload
