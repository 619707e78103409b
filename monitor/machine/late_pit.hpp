// The 8254 timer that every PC has, for guests that may want one: KVM makes it when the guest first
// touches its ports. Made for every such guest it would be a tenth of a start, and KVM's thread for
// it holds up the end of the process by more than that.
//
// Owned by the machine; called on vCPU threads. Made while the guest runs, it costs the guest that
// wants it 5 to 11 ms, once (vm.hpp: Order matters).
#pragma once

#include <cstdint>
#include <mutex>
#include <span>

#include "base/result.hpp"
#include "monitor/kvm/pit.hpp"
#include "monitor/machine/blank_vm.hpp"
#include "monitor/machine/ending.hpp"
#include "monitor/ports/bus.hpp"

class LatePit final : public PortDevice {
public:
    // Both outlive it. `is_made`: KVM has it, as after Vm::restore() of a VM that had.
    LatePit(const BlankVm& blank, EndingLatch& ending, bool is_made = false)
        : blank_(blank), ending_(ending), is_made_(is_made) {}

    // Whether KVM has it. Any thread.
    bool is_made() const {
        const std::lock_guard lock(mutex_);
        return is_made_;
    }

    // Answers the PIT's ports until KVM does. Errors: as PortBus::add().
    Result<> answer_at(PortBus& ports);

    // `offset` counts from the first counter's port.
    void in(uint16_t offset, std::span<std::byte> data, unsigned width) override;
    void out(uint16_t offset, std::span<const std::byte> data, unsigned width) override;

private:
    void make(const kvm_pit_state2& state);

    const BlankVm& blank_;
    EndingLatch& ending_;
    mutable std::mutex mutex_;
    bool is_made_;  // an access that finds it so has raced with the first: one is lost
};
