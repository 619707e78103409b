#include "monitor/kvm/vm.hpp"

#include <algorithm>
#include <array>

#include "monitor/kvm/ioctl.hpp"
#include "monitor/memory/layout.hpp"

namespace {

// Which of the chips that KVM_GET_IRQCHIP and KVM_SET_IRQCHIP know.
struct Chip {
    uint32_t id;
    kvm_irqchip VmState::*in;
};
constexpr std::array kChips{
    Chip{KVM_IRQCHIP_PIC_MASTER, &VmState::pic_master},
    Chip{KVM_IRQCHIP_PIC_SLAVE, &VmState::pic_slave},
    Chip{KVM_IRQCHIP_IOAPIC, &VmState::ioapic},
};

}  // namespace

Result<> Vm::set_memory(std::span<const GuestMemory::Region> regions) const {
    uint32_t slot = 0;
    for (const auto& region : regions) TRY(set_slot(slot++, 0, region.start, region.host));
    return Ok{};
}

void Vm::take_memory(std::span<const GuestMemory::Region> regions) const {
    uint32_t slot = 0;
    // A slot of no bytes is none.
    for (const auto& region : regions) static_cast<void>(set_slot(slot++, 0, region.start, {}));
}

Result<> Vm::set_readable(GuestAddress at, std::span<std::byte> pages) const {
    return set_slot(GuestMemory::kMaxRegions, KVM_MEM_READONLY, at, pages);
}

Result<> Vm::set_slot(uint32_t slot, uint32_t flags, GuestAddress at,
                      std::span<std::byte> memory) const {
    kvm_userspace_memory_region region{
        .slot = slot,
        .flags = flags,
        .guest_phys_addr = at.value,
        .memory_size = memory.size(),
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): KVM wants a number.
        .userspace_addr = reinterpret_cast<uintptr_t>(memory.data()),
    };
    TRY(kvm_ioctl(fd_.get(), kvm_request::kSetUserMemoryRegion, region));
    return Ok{};
}

Result<> Vm::create_irqchip() const {
    // Only Intel hosts use these pages, and only old ones; on all others both calls cost nothing.
    __u64 identity_map = layout::kKvmIdentityMap.value;
    TRY(kvm_ioctl(fd_.get(), kvm_request::kSetIdentityMapAddress, identity_map));
    TRY(kvm_ioctl(fd_.get(), kvm_request::kSetTssAddress, layout::kKvmTss.value));
    TRY(kvm_ioctl(fd_.get(), kvm_request::kCreateIrqchip));
    return Ok{};
}

void Vm::give_no_pmu() const {
    kvm_enable_cap capability{};
    capability.cap = KVM_CAP_PMU_CAPABILITY;
    capability.args[0] = KVM_PMU_CAP_DISABLE;
    static_cast<void>(kvm_ioctl(fd_.get(), kvm_request::kEnableCapability, capability));
}

Result<> Vm::create_pit(const kvm_pit_state2& state) const {
    // The dummy speaker port lets a guest gate and read channel 2, by which it calibrates.
    kvm_pit_config config{.flags = KVM_PIT_SPEAKER_DUMMY};
    TRY(kvm_ioctl(fd_.get(), kvm_request::kCreatePit2, config));
    kvm_pit_state2 loaded = state;
    TRY(kvm_ioctl(fd_.get(), kvm_request::kSetPit2, loaded));
    return Ok{};
}

Result<> Vm::connect_interrupt(int event, Gsi gsi) const {
    kvm_irqfd irqfd{.fd = static_cast<uint32_t>(event), .gsi = static_cast<uint32_t>(gsi)};
    TRY(kvm_ioctl(fd_.get(), kvm_request::kIrqfd, irqfd));
    return Ok{};
}

Result<> Vm::connect_write(int event, GuestAddress at, uint32_t value) const {
    kvm_ioeventfd ioeventfd{.datamatch = value,
                            .addr = at.value,
                            .len = sizeof(value),
                            .fd = event,
                            .flags = KVM_IOEVENTFD_FLAG_DATAMATCH};
    TRY(kvm_ioctl(fd_.get(), kvm_request::kIoeventfd, ioeventfd));
    return Ok{};
}

Result<> Vm::coalesce_port_writes(uint16_t port) const {
    kvm_coalesced_mmio_zone zone{.addr = port, .size = 1, .pio = 1};
    TRY(kvm_ioctl(fd_.get(), kvm_request::kRegisterCoalescedMmio, zone));
    return Ok{};
}

size_t Vm::coalesced_ring_page() const {
    const auto has_ports =
        kvm_ioctl(fd_.get(), kvm_request::kCheckExtension, KVM_CAP_COALESCED_PIO);
    const auto page = kvm_ioctl(fd_.get(), kvm_request::kCheckExtension, KVM_CAP_COALESCED_MMIO);
    if (!has_ports.ok() || has_ports.value() == 0 || !page.ok()) return 0;
    return static_cast<size_t>(page.value());
}

Result<UniqueFd> Vm::create_vcpu(uint32_t id) const {
    return UniqueFd(TRY(kvm_ioctl(fd_.get(), kvm_request::kCreateVcpu, id)));
}

Result<VmState> Vm::save(PitPresence pit) const {
    VmState state;
    for (const Chip& chip : kChips) {
        kvm_irqchip& into = state.*chip.in;
        into.chip_id = chip.id;
        TRY(kvm_ioctl(fd_.get(), kvm_request::kGetIrqchip, into));
    }
    if (pit == PitPresence::kMade)
        TRY(kvm_ioctl(fd_.get(), kvm_request::kGetPit2, state.pit.emplace()));
    TRY(kvm_ioctl(fd_.get(), kvm_request::kGetClock, state.clock));
    return state;
}

Result<> Vm::restore(const VmState& state) const {
    for (const Chip& chip : kChips) {
        kvm_irqchip from = state.*chip.in;
        from.chip_id = chip.id;
        TRY(kvm_ioctl(fd_.get(), kvm_request::kSetIrqchip, from));
    }
    if (state.pit.has_value()) TRY(create_pit(*state.pit));
    // The flags tell of the host that it was saved on; with none the clock goes on from its value.
    kvm_clock_data clock{.clock = state.clock.clock};
    TRY(kvm_ioctl(fd_.get(), kvm_request::kSetClock, clock));
    return Ok{};
}

size_t Vm::xsave_bytes() const {
    const auto bytes = kvm_ioctl(fd_.get(), kvm_request::kCheckExtension, KVM_CAP_XSAVE2);
    return std::max(kXsaveBytes, bytes.ok() ? static_cast<size_t>(bytes.value()) : 0);
}
