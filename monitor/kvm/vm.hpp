// One KVM virtual machine: memory, interrupt controllers, and the descriptors that carry
// interrupts. Owned by the machine; main thread.
//
// Order matters to the clock: memory regions before the interrupt controller and before any vCPU
// has run, else each waits for an SRCU grace period (5-11 ms).
#pragma once

#include <linux/kvm.h>

#include <cstddef>
#include <optional>
#include <span>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "virtio/guest_memory.hpp"

// An input of the IOAPIC.
enum class Gsi : uint32_t {};

// What a VM is beside its memory and its vCPUs.
struct VmState {
    kvm_irqchip pic_master{};
    kvm_irqchip pic_slave{};
    kvm_irqchip ioapic{};
    std::optional<kvm_pit_state2> pit{};  // none: create_pit() was not called
    kvm_clock_data clock{};               // the guests' kvm-clock
};

enum class PitPresence : uint8_t { kNone, kMade };

class Vm {
public:
    explicit Vm(UniqueFd fd) : fd_(std::move(fd)) {}

    // Gives the guest its RAM. The memory outlives the VM. Errors: ENOMEM, EEXIST, EINVAL.
    Result<> set_memory(std::span<const GuestMemory::Region> regions) const;

    // Takes RAM away again that set_memory() gave. Errors: none for what it did not give.
    void take_memory(std::span<const GuestMemory::Region> regions) const;

    // Lets the guest read `pages` (a multiple of the page size) at `at` without leaving; its writes
    // still leave. The memory outlives the VM. Errors: as set_memory().
    Result<> set_readable(GuestAddress at, std::span<std::byte> pages) const;

    // Local APICs, IOAPIC and PIC inside KVM. Once, before the first vCPU.
    Result<> create_irqchip() const;

    // No performance counters, not even those of which CPUID says nothing. Before the first vCPU;
    // of no effect where KVM has none, or cannot be told (before Linux 5.18).
    void give_no_pmu() const;

    // An 8254 timer inside KVM, and on port 0x61 what gates it, which begin as `state` says. Once,
    // after create_irqchip(); while vCPUs run, too.
    Result<> create_pit(const kvm_pit_state2& state) const;

    // Each signal of `event`, an eventfd, becomes an edge on `gsi`, without user space in between.
    Result<> connect_interrupt(int event, Gsi gsi) const;

    // Each 32-bit write of `value` to `at` signals `event`, without user space in between.
    Result<> connect_write(int event, GuestAddress at, uint32_t value) const;

    // Lets KVM gather single-byte writes to `port` in the ring that CoalescedOutput drains.
    // Errors: EINVAL, ENXIO where this host's KVM cannot.
    Result<> coalesce_port_writes(uint16_t port) const;

    // The ring's page in every vCPU's mapping; 0 where this host's KVM has none.
    size_t coalesced_ring_page() const;

    // A descriptor of a new vCPU; `id` is its APIC id.
    Result<UniqueFd> create_vcpu(uint32_t id) const;

    // Its state while no vCPU runs. Any thread. Errors: KVM's.
    Result<VmState> save(PitPresence pit) const;

    // Goes on from there, with a PIT if the state has one; its clock as if no time had passed.
    // Once, after create_irqchip(), before a vCPU runs and in place of create_pit(). Errors: KVM's.
    Result<> restore(const VmState& state) const;

    // Size of what KVM_GET_XSAVE2 tells of a vCPU, and KVM_SET_XSAVE wants; at least 4096 bytes.
    size_t xsave_bytes() const;

private:
    Result<> set_slot(uint32_t slot, uint32_t flags, GuestAddress at,
                      std::span<std::byte> memory) const;

    UniqueFd fd_;
};
