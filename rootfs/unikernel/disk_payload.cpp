#include "rootfs/unikernel/device_payload.hpp"
#include "rootfs/unikernel/disk.hpp"
#include "rootfs/unikernel/instructions.hpp"
#include "rootfs/unikernel/pattern.hpp"
#include "rootfs/unikernel/platform.hpp"
#include "rootfs/unikernel/serial.hpp"

namespace payload {
namespace {

// Makes requests 0 to `count` - 1, as many at a time as the disk has slots. `next(slot, number)`
// makes the slot's data ready and gives the block. The first requests go to the slots in order.
// Adds those that fail to `failed`. False if the device gave up.
template <typename Next>
bool transfer(Disk& disk, uint64_t count, uint64_t& failed, Next next) {
    uint64_t started = 0;
    for (uint16_t slot = 0; slot < disk.slots() && started < count; ++slot) {
        disk.add(slot, next(slot, started++));
    }
    disk.offer();
    uint64_t done = 0;
    while (done < count) {
        if (!disk.wait()) return false;
        for (; done < count && disk.has_done(); ++done) {
            const Disk::Done request = disk.take();
            if (request.failed) ++failed;
            if (started < count) disk.add(request.slot, next(request.slot, started++));
        }
        disk.offer();
    }
    return true;
}

void prepare_all(Disk& disk, uint32_t type) {
    for (uint16_t slot = 0; slot < disk.slots(); ++slot) disk.prepare(slot, type);
}

void say(Text& line, uint64_t failed) {
    if (failed != 0) line.add(", ").add(failed).add(" failed");
    serial::write(line.add("\n").view());
}

bool read_at_random(Disk& disk, uint64_t count, const Surroundings& around) {
    prepare_all(disk, VIRTIO_BLK_T_IN);
    uint64_t failed = 0;
    XorShift random;
    const uint64_t start = read_tsc();
    const bool ok = transfer(disk, count, failed,
                             [&](uint16_t, uint64_t) { return random.next() % disk.blocks(); });
    const uint64_t ticks = read_tsc() - start;
    if (!ok) return false;
    Text line(around.buffer);
    line.add("disk-reads: ").add(count).add(" of ").add(Disk::kBlockBytes).add(" bytes at depth ");
    line.add(disk.slots()).add(" in ");
    around.clock.describe(ticks, line);
    say(line, failed);
    return true;
}

bool write_from_start(Disk& disk, uint64_t count, const Surroundings& around) {
    prepare_all(disk, VIRTIO_BLK_T_OUT);
    uint64_t failed = 0;
    const auto next = [&](uint16_t slot, uint64_t block) {
        for (uint64_t at = 0; at < Disk::kBlockBytes; at += sizeof block) {
            store64(disk.data(slot) + at, block);
        }
        return block;
    };
    if (!transfer(disk, count, failed, next)) return false;
    if (disk.has_flush()) {
        disk.prepare(0, VIRTIO_BLK_T_FLUSH);
        if (!transfer(disk, 1, failed, [](uint16_t, uint64_t) { return uint64_t{0}; }))
            return false;
    }
    Text line(around.buffer);
    line.add("disk-write: ").add(count).add(" blocks of ").add(Disk::kBlockBytes).add(" bytes, ");
    serial::write(line.add(failed).add(" failed\n").view());
    return true;
}

bool sum_from_start(Disk& disk, uint64_t count, const Surroundings& around) {
    prepare_all(disk, VIRTIO_BLK_T_IN);
    uint64_t failed = 0;
    uint64_t hash = kFnv1aBasis;
    for (uint64_t first = 0; first < count; first += disk.slots()) {
        const uint64_t rest = count - first;
        const uint64_t blocks = rest < disk.slots() ? rest : disk.slots();
        if (!transfer(disk, blocks, failed, [&](uint16_t, uint64_t n) { return first + n; }))
            return false;
        // Slot n has block n, and one follows the other in memory.
        const auto* const bytes = std::bit_cast<const uint8_t*>(disk.data(0));
        for (uint64_t i = 0; i < blocks * Disk::kBlockBytes; ++i) hash = fnv1a(hash, bytes[i]);
    }
    Text line(around.buffer);
    line.add("disk-sum: ").add(count * Disk::kBlockBytes).add(" bytes, FNV-1a ").add_hex(hash);
    say(line, failed);
    return true;
}

uint8_t give_up(StringView why) {
    serial::write(why);
    return kStatusDeviceFailed;
}

}  // namespace

uint8_t disk(const Request& request, const Surroundings& around) {
    const VirtioDevice device = VirtioDevice::find(VIRTIO_ID_BLOCK);
    if (!device.found()) {
        serial::write("no disk\n");
        return kStatusNoDevice;
    }
    const uint64_t room =
        find_room(around.map, platform::kFreeMemory, request.disk_depth * Disk::kBlockBytes);
    if (room == 0) return give_up("disk: no room for its data\n");
    Disk disk(device, static_cast<uint16_t>(request.disk_depth), room);
    if (!disk.ok()) return give_up("disk: it does not come up\n");
    if (disk.blocks() == 0) return give_up("disk: it is less than a block\n");

    if ((request.disk_reads != 0 && !read_at_random(disk, request.disk_reads, around)) ||
        (request.disk_writes != 0 && !write_from_start(disk, request.disk_writes, around)) ||
        (request.disk_sums != 0 && !sum_from_start(disk, request.disk_sums, around)))
        return give_up("disk: it needs a reset\n");
    return 0;
}

}  // namespace payload
