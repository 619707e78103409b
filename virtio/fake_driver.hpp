// The other side, for tests: a guest's RAM and a driver in it, that works MmioTransport through its
// registers and lays out rings as Linux does; or lays them out wrongly, as a test asks. Tests only;
// one thread drives one queue.
//
//     FakeRam ram(1 << 20);
//     FakeDriver driver(transport, ram);
//     driver.start(features, {128});         // §3.1.1, up to and with DRIVER_OK
//     auto data = ram.allocate(4096);
//     driver.submit(0, {{data, 4096, Access::kWritable}});
//     driver.pump();                         // what the I/O thread does with control() and kick()
//     auto used = driver.queue(0).take_used();
//
// FakeQueue also works alone, against a Virtqueue that the test makes of its layout().
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

#include "virtio/guest_memory.hpp"
#include "virtio/mmio.hpp"
#include "virtio/spec.hpp"

// The page that a transport keeps for its driver.
struct FakeWindow {
    alignas(RegisterPage::kBytes) std::array<std::byte, RegisterPage::kBytes> bytes{};
};

// Guest RAM from address 0, filled from there up.
class FakeRam {
public:
    explicit FakeRam(size_t size_bytes) : bytes_(size_bytes) {}

    GuestMemory memory() { return GuestMemory(std::span<std::byte>(bytes_)); }
    std::span<std::byte> bytes() { return bytes_; }

    // RAM that nobody else has. The first kFirst bytes are never given out.
    GuestAddress allocate(size_t length, size_t align = 16) {
        next_ = (next_ + align - 1) / align * align;
        const GuestAddress at{next_};
        next_ += length;
        if (next_ > bytes_.size()) throw std::length_error("FakeRam is too small");
        return at;
    }

    // As new: all zero, and nothing of it given out.
    void clear() {
        std::memset(bytes_.data(), 0, bytes_.size());
        next_ = kFirst;
    }

    std::span<std::byte> at(GuestAddress address, size_t length) {
        return bytes().subspan(address.value, length);
    }
    template <typename T>
    T load(GuestAddress address) {
        T value{};
        std::memcpy(&value, at(address, sizeof(T)).data(), sizeof(T));
        return value;
    }
    template <typename T>
    void store(GuestAddress address, const T& value) {
        std::memcpy(at(address, sizeof(T)).data(), &value, sizeof(T));
    }

    // The fields that both sides look at while the other writes.
    uint16_t load_shared(GuestAddress address) {
        return shared(address).load(std::memory_order_seq_cst);
    }
    void store_shared(GuestAddress address, uint16_t value) {
        shared(address).store(value, std::memory_order_seq_cst);
    }

private:
    std::atomic_ref<uint16_t> shared(GuestAddress address) {
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
        return std::atomic_ref(*reinterpret_cast<uint16_t*>(at(address, 2).data()));
    }

    std::vector<std::byte> bytes_;
    static constexpr size_t kFirst = 64;
    size_t next_ = kFirst;
};

enum class Access { kReadable, kWritable };

// One element of a chain.
struct Piece {
    GuestAddress at;
    uint32_t length = 0;
    Access access = Access::kReadable;
};

// The driver's side of a split queue.
class FakeQueue {
public:
    FakeQueue(FakeRam& ram, uint16_t size, uint64_t features)
        : ram_(ram),
          layout_{.size = size,
                  .desc = ram.allocate(sizeof(virtq_desc) * size, VIRTQ_DESC_ALIGN),
                  .driver = ram.allocate(VIRTQ_AVAIL_RING + 2UL * size + 2, VIRTQ_AVAIL_ALIGN),
                  .device = ram.allocate(VIRTQ_USED_RING + 8UL * size + 2, VIRTQ_USED_ALIGN)},
          event_idx_((features & feature(VIRTIO_F_EVENT_IDX)) != 0),
          chains_(size) {
        for (uint16_t i = size; i-- > 0;) free_.push_back(i);
    }

    const VirtqueueLayout& layout() const { return layout_; }
    size_t free_descriptors() const { return free_.size(); }

    // --- As a driver should ---------------------------------------------------------------------

    // Lays a chain out in free descriptors and in the available ring, not yet offered. Its head.
    uint16_t add(std::span<const Piece> pieces) {
        std::vector<uint16_t> chain;
        for (size_t i = 0; i < pieces.size(); ++i) chain.push_back(take_free());
        for (size_t i = 0; i < pieces.size(); ++i) {
            const bool is_last = i + 1 == pieces.size();
            set_desc(chain[i], describe(pieces[i], is_last ? -1 : chain[i + 1]));
        }
        return add_chain(std::move(chain));
    }
    uint16_t add(std::initializer_list<Piece> pieces) { return add(std::span(pieces)); }

    // The same through an indirect table in RAM of its own: one descriptor of the queue.
    uint16_t add_indirect(std::span<const Piece> pieces) {
        const auto length = static_cast<uint32_t>(sizeof(virtq_desc) * pieces.size());
        const GuestAddress table = ram_.allocate(length);
        for (size_t i = 0; i < pieces.size(); ++i)
            ram_.store(table + sizeof(virtq_desc) * i,
                       describe(pieces[i], i + 1 == pieces.size() ? -1 : static_cast<int>(i + 1)));
        const uint16_t head = take_free();
        set_desc(head, {table.value, length, VIRTQ_DESC_F_INDIRECT, 0});
        return add_chain({head});
    }
    uint16_t add_indirect(std::initializer_list<Piece> pieces) {
        return add_indirect(std::span(pieces));
    }

    // Makes what was added visible. True if the device wants a kick for it.
    bool offer() {
        const uint16_t before = offered_;
        offered_ = next_avail_;
        set_avail_idx(next_avail_);
        if (event_idx_) {
            const auto passed = static_cast<uint16_t>(next_avail_ - avail_event() - 1);
            return passed < static_cast<uint16_t>(next_avail_ - before);
        }
        return (used_flags() & VIRTQ_USED_F_NO_NOTIFY) == 0;
    }

    // The next chain that the device has used; its descriptors are free again. With EVENT_IDX asks
    // for a notification of the one after.
    std::optional<virtq_used_elem> take_used() {
        if (used_idx() == next_used_) return {};
        const auto element = used_element(next_used_++);
        std::vector<uint16_t>& chain = chains_.at(element.id);
        if (chain.empty()) throw std::logic_error("the device used a chain that it did not have");
        free_.insert(free_.end(), chain.rbegin(), chain.rend());
        chain.clear();
        if (event_idx_) set_used_event(next_used_);
        return element;
    }

    // --- As a driver may, and should not --------------------------------------------------------

    virtq_desc desc(uint16_t index) { return ram_.load<virtq_desc>(desc_at(index)); }
    void set_desc(uint16_t index, const virtq_desc& desc) { ram_.store(desc_at(index), desc); }
    void set_avail_entry(uint16_t slot, uint16_t head) {
        ram_.store(layout_.driver + (VIRTQ_AVAIL_RING + 2UL * (slot % layout_.size)), head);
    }
    uint16_t avail_idx() { return ram_.load_shared(layout_.driver + VIRTQ_AVAIL_IDX); }
    void set_avail_idx(uint16_t idx) { ram_.store_shared(layout_.driver + VIRTQ_AVAIL_IDX, idx); }
    void set_avail_flags(uint16_t flags) {
        ram_.store_shared(layout_.driver + VIRTQ_AVAIL_FLAGS, flags);
    }
    void set_used_event(uint16_t idx) {
        ram_.store_shared(layout_.driver + (VIRTQ_AVAIL_RING + 2UL * layout_.size), idx);
    }
    // Offers descriptor `head`, whatever is in it.
    bool offer_raw(uint16_t head) {
        set_avail_entry(next_avail_++, head);
        return offer();
    }

    uint16_t used_flags() { return ram_.load_shared(layout_.device + VIRTQ_USED_FLAGS); }
    uint16_t used_idx() { return ram_.load_shared(layout_.device + VIRTQ_USED_IDX); }
    uint16_t avail_event() {
        return ram_.load_shared(layout_.device + (VIRTQ_USED_RING + 8UL * layout_.size));
    }
    virtq_used_elem used_element(uint16_t idx) {
        return ram_.load<virtq_used_elem>(layout_.device +
                                          (VIRTQ_USED_RING + 8UL * (idx % layout_.size)));
    }

private:
    GuestAddress desc_at(uint16_t index) const { return layout_.desc + sizeof(virtq_desc) * index; }

    uint16_t take_free() {
        if (free_.empty()) throw std::length_error("FakeQueue is full");
        const uint16_t index = free_.back();
        free_.pop_back();
        return index;
    }

    // `next`: the descriptor after it, or -1.
    static virtq_desc describe(const Piece& piece, int next) {
        const int flags = (piece.access == Access::kWritable ? VIRTQ_DESC_F_WRITE : 0) |
                          (next >= 0 ? VIRTQ_DESC_F_NEXT : 0);
        return {piece.at.value, piece.length, static_cast<uint16_t>(flags),
                static_cast<uint16_t>(next >= 0 ? next : 0)};
    }

    uint16_t add_chain(std::vector<uint16_t> chain) {
        const uint16_t head = chain.front();
        chains_[head] = std::move(chain);
        set_avail_entry(next_avail_++, head);
        return head;
    }

    FakeRam& ram_;
    VirtqueueLayout layout_;
    bool event_idx_;
    std::vector<uint16_t> free_;                 // the last is taken first
    std::vector<std::vector<uint16_t>> chains_;  // by head: the descriptors that the device has
    uint16_t next_avail_ = 0;
    uint16_t offered_ = 0;
    uint16_t next_used_ = 0;
};

// The driver of one device.
class FakeDriver {
public:
    FakeDriver(MmioTransport& transport, FakeRam& ram) : transport_(transport), ram_(ram) {}
    // The driver that `other` is, whose device goes on behind another transport.
    FakeDriver(const FakeDriver& other, MmioTransport& transport)
        : transport_(transport),
          ram_(other.ram_),
          features_(other.features_),
          queues_(other.queues_) {}

    uint32_t read(MmioRegister which) {
        uint32_t value = 0;
        transport_.read(static_cast<uint64_t>(which), std::as_writable_bytes(std::span(&value, 1)));
        return value;
    }
    void write(MmioRegister which, uint32_t value) {
        transport_.write(static_cast<uint64_t>(which), std::as_bytes(std::span(&value, 1)));
    }
    template <typename T>
    T read_config(uint64_t offset) {
        T value{};
        transport_.read(static_cast<uint64_t>(MmioRegister::Config) + offset,
                        std::as_writable_bytes(std::span(&value, 1)));
        return value;
    }

    uint8_t status() { return static_cast<uint8_t>(read(MmioRegister::Status)); }
    void add_status(uint8_t bits) { write(MmioRegister::Status, status() | bits); }
    bool needs_reset() { return (status() & VIRTIO_STATUS_DEVICE_NEEDS_RESET) != 0; }

    uint64_t device_features() {
        write(MmioRegister::DeviceFeaturesSel, 1);
        const uint64_t high = read(MmioRegister::DeviceFeatures);
        write(MmioRegister::DeviceFeaturesSel, 0);
        return high << 32 | read(MmioRegister::DeviceFeatures);
    }

    // §3.1.1 steps 1 to 6. False if the device does not take `features`.
    bool negotiate(uint64_t features) {
        write(MmioRegister::Status, 0);
        add_status(VIRTIO_STATUS_ACKNOWLEDGE);
        add_status(VIRTIO_STATUS_DRIVER);
        features_ = features;
        for (const uint32_t half : {0U, 1U}) {
            write(MmioRegister::DriverFeaturesSel, half);
            write(MmioRegister::DriverFeatures, static_cast<uint32_t>(features >> (32 * half)));
        }
        add_status(VIRTIO_STATUS_FEATURES_OK);
        return (status() & VIRTIO_STATUS_FEATURES_OK) != 0;
    }

    // Tells the device where queue `index` is. True if it is ready then.
    bool set_up_queue(uint16_t index, const VirtqueueLayout& layout) {
        write(MmioRegister::QueueSel, index);
        write(MmioRegister::QueueNum, layout.size);
        write_address(MmioRegister::QueueDescLow, layout.desc);
        write_address(MmioRegister::QueueDriverLow, layout.driver);
        write_address(MmioRegister::QueueDeviceLow, layout.device);
        write(MmioRegister::QueueReady, 1);
        return read(MmioRegister::QueueReady) == 1;
    }

    // All of §3.1.1, with VERSION_1 added to `features` and one queue for each size. Runs the
    // device up too. False if the device refuses something.
    bool start(uint64_t features, std::span<const uint16_t> queue_sizes) {
        if (!negotiate(features | feature(VIRTIO_F_VERSION_1))) return false;
        queues_.clear();
        for (const uint16_t size : queue_sizes) {
            queues_.emplace_back(ram_, size, features_);
            if (!set_up_queue(static_cast<uint16_t>(queues_.size() - 1), queues_.back().layout()))
                return false;
        }
        add_status(VIRTIO_STATUS_DRIVER_OK);
        pump();
        return !needs_reset();
    }
    bool start(uint64_t features, std::initializer_list<uint16_t> queue_sizes) {
        return start(features, std::span(queue_sizes));
    }

    FakeQueue& queue(uint16_t index) { return queues_.at(index); }

    void kick(uint16_t index) { write(MmioRegister::QueueNotify, index); }

    // Adds, offers and, if the device wants it, kicks. The head.
    uint16_t submit(uint16_t index, std::initializer_list<Piece> pieces) {
        const uint16_t head = queue(index).add(pieces);
        if (queue(index).offer()) kick(index);
        return head;
    }
    uint16_t submit_indirect(uint16_t index, std::initializer_list<Piece> pieces) {
        const uint16_t head = queue(index).add_indirect(pieces);
        if (queue(index).offer()) kick(index);
        return head;
    }

    // What a thread that polls control() and the kicks would do once. True if there was anything.
    bool pump() {
        bool any = transport_.control().drain();
        if (any) transport_.on_control();
        for (uint16_t index = 0; index < transport_.queue_count(); ++index) {
            if (!transport_.kick(index).drain()) continue;
            transport_.on_kick(index);
            any = true;
        }
        return any;
    }

private:
    void write_address(MmioRegister low, GuestAddress address) {
        write(low, static_cast<uint32_t>(address.value));
        write(static_cast<MmioRegister>(static_cast<uint32_t>(low) + 4),
              static_cast<uint32_t>(address.value >> 32));
    }

    MmioTransport& transport_;
    FakeRam& ram_;
    uint64_t features_ = 0;
    std::vector<FakeQueue> queues_;
};
