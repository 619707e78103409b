#include "monitor/kvm/coalesced_output.hpp"

#include <linux/kvm.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "monitor/kvm/vcpu.hpp"
#include "monitor/memory/layout.hpp"

// struct kvm_coalesced_mmio_ring, our own for the reason given in ioctl.hpp. KVM's kernel side
// fills the page with entries.
struct CoalescedOutput::Ring {
    static constexpr uint32_t kEntries =
        (layout::kPageSize - 2 * sizeof(uint32_t)) / sizeof(kvm_coalesced_mmio);

    uint32_t first;  // ours: next to read
    uint32_t last;   // KVM's: next to write
    std::array<kvm_coalesced_mmio, kEntries> entries;
};

CoalescedOutput::Ring& CoalescedOutput::ring() const {
    static_assert(sizeof(kvm_coalesced_mmio) == 24 && sizeof(Ring) <= layout::kPageSize);
    // KVM keeps this structure at the start of the page.
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    return *reinterpret_cast<Ring*>(page_.data());
}

void CoalescedOutput::drain(VcpuAccesses& accesses) const {
    constexpr uint32_t kEntries = Ring::kEntries;
    Ring& ring = this->ring();
    const std::atomic_ref<uint32_t> first(ring.first);
    // Pairs with KVM's barrier between an entry and `last`.
    const uint32_t last = std::atomic_ref<uint32_t>(ring.last).load(std::memory_order_acquire);
    uint32_t at = first.load(std::memory_order_relaxed);
    if (at == last || last >= kEntries || at >= kEntries) return;

    std::array<std::byte, kEntries> bytes{};  // single-byte writes: that is what is registered
    size_t count = 0;
    uint16_t port = 0;
    for (; at != last; at = (at + 1) % kEntries) {
        const kvm_coalesced_mmio& entry = ring.entries[at];
        const auto entry_port = static_cast<uint16_t>(entry.phys_addr);
        if (count > 0 && entry_port != port) {
            accesses.port_out(port, std::span(bytes).first(count), 1);
            count = 0;
        }
        port = entry_port;
        bytes[count++] = std::byte{entry.data[0]};
    }
    accesses.port_out(port, std::span(bytes).first(count), 1);
    // Pairs with KVM's read of `first` when it looks for room.
    first.store(last, std::memory_order_release);
}
