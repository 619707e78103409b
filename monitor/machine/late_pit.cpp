#include "monitor/machine/late_pit.hpp"

#include <algorithm>
#include <cstddef>

namespace {

constexpr uint16_t kCounterPorts = pit_port::kControl - pit_port::kCounters + 1;

}  // namespace

Result<> LatePit::answer_at(PortBus& ports) {
    TRY(ports.add(pit_port::kCounters, kCounterPorts, *this));
    return ports.add(pit_port::kSystemB, 1, *this, pit_port::kSystemB - pit_port::kCounters);
}

// Counters that were never loaded are at 0, and so are their outputs.
void LatePit::in(uint16_t /*offset*/, std::span<std::byte> data, unsigned /*width*/) {
    std::ranges::fill(data, std::byte{0});
    make(pit_after_reset());
}

void LatePit::out(uint16_t offset, std::span<const std::byte> data, unsigned width) {
    kvm_pit_state2 state = pit_after_reset();
    // Of a wider access it takes the lowest byte.
    for (size_t at = 0; at < data.size(); at += width)
        write_untouched_pit(state, static_cast<uint16_t>(pit_port::kCounters + offset),
                            static_cast<uint8_t>(data[at]));
    make(state);
}

void LatePit::make(const kvm_pit_state2& state) {
    const std::lock_guard lock(mutex_);
    if (is_made_) return;
    is_made_ = true;
    if (const Result<> made = blank_.vm().create_pit(state); !made.ok())
        ending_.report({.cause = Ending::Cause::kMonitor, .error = made.error()});
}
