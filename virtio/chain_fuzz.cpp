// The bytes are a guest's RAM: descriptor table, rings and all. Every chain that the device finds
// there is followed, and what is accepted is in RAM, of the length it says, copied and gathered
// alike, and completed as the driver must see it.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "virtio/chain.hpp"
#include "virtio/fake_driver.hpp"

namespace {

constexpr size_t kRam = 4096;
constexpr uint16_t kSize = 16;
constexpr VirtqueueLayout kLayout{.size = kSize, .desc = {0}, .driver = {0x100}, .device = {0x140}};

void check(bool holds) {
    if (!holds) __builtin_trap();
}

void check_segments(const ChainPart& part, const GuestMemory& memory) {
    uint64_t sum = 0;
    for (const Segment& segment : part.segments()) {
        check(segment.length > 0 && memory.contains(segment.at, segment.length));
        sum += segment.length;
    }
    check(sum == part.size_bytes());
}

// The range [at, at + length), and all that can be asked about it.
void check_range(const ChainPart& part, uint32_t at, uint32_t length) {
    std::array<iovec, kSize> storage{};
    const auto vectors = part.gather(at, length, storage);
    const bool fits = at <= part.size_bytes() && length <= part.size_bytes() - at;
    check(vectors.ok() == fits);
    check(part.locate(at).ok() == (at < part.size_bytes()));
    if (!fits) return;
    const auto gathered = vectors.value();
    check(std::accumulate(gathered.begin(), gathered.end(), size_t{0},
                          [](size_t sum, const iovec& v) { return sum + v.iov_len; }) == length);
}

// What gather() points at is what copy_out() copies.
void check_copy(const ReadablePart& part, uint32_t at, uint32_t length) {
    std::vector<std::byte> copy(std::min<uint32_t>(length, 1 << 17));
    if (!part.copy_out(at, copy).ok()) return;
    std::array<iovec, kSize> storage{};
    size_t done = 0;
    const auto gathered = part.gather(at, static_cast<uint32_t>(copy.size()), storage);
    for (const iovec& v : gathered.value()) {
        check(std::memcmp(copy.data() + done, v.iov_base, v.iov_len) == 0);
        done += v.iov_len;
    }
}

void complete(FakeRam& ram, Virtqueue& queue, uint16_t head, uint32_t written) {
    const uint16_t used = queue.position().next_used;
    check(queue.push(head, written).ok());
    const auto element =
        ram.load<virtq_used_elem>(kLayout.device + (VIRTQ_USED_RING + 8UL * (used % kSize)));
    check(element.id == head && element.len == written);
    check(queue.publish().ok());
    check(ram.load_shared(kLayout.device + VIRTQ_USED_IDX) == queue.position().next_used);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static FakeRam ram(kRam);
    if (size < 4) return 0;
    const uint64_t features = (data[0] & 1 ? feature(VIRTIO_F_INDIRECT_DESC) : 0) |
                              (data[0] & 2 ? feature(VIRTIO_F_EVENT_IDX) : 0);
    const uint32_t at = data[1];
    const uint32_t length = data[2] | static_cast<uint32_t>(data[3]) << 8;
    ram.clear();
    std::memcpy(ram.bytes().data(), data + 4, std::min(size - 4, kRam));

    Virtqueue queue = Virtqueue::create(ram.memory(), kLayout, features).value();
    std::array<Segment, kSize> storage{};
    for (int i = 0; i < 2 * kSize; ++i) {
        const auto head = queue.pop();
        if (!head.ok() || !head.value().has_value()) break;
        const auto chain = Chain::walk(queue, *head.value(), storage);
        if (!chain.ok()) {
            check(chain.error().code == EPROTO || chain.error().code == EFAULT);
            complete(ram, queue, *head.value(), 0);
            continue;
        }
        const ReadablePart& readable = chain.value().readable();
        const WritablePart& writable = chain.value().writable();
        check(readable.segments().size() + writable.segments().size() <= kSize);
        check_segments(readable, ram.memory());
        check_segments(writable, ram.memory());
        check_range(readable, at, length);
        check_range(writable, at, length);
        check_copy(readable, at, length);
        // The answer may well land in the tables that are being read.
        const bool answered = writable.write(at, uint32_t{0x01020304}).ok();
        complete(ram, queue, *head.value(), answered ? at + 4 : 0);
    }
    return 0;
}
