#include "monitor/ports/control.hpp"

#include <algorithm>
#include <cstring>

namespace {

constexpr std::byte kNobody{0xff};
constexpr std::byte kResetCpu{0x04};

enum : uint8_t {
    SLP_TYP_MASK = 0x1c,
    SLP_EN = 0x20,  // write-only, reads as zero
};
constexpr unsigned kSleepControl = 0;
constexpr unsigned kSleepTypeShift = 2;

}  // namespace

void ExitPort::in(uint16_t /*offset*/, std::span<std::byte> data, unsigned /*width*/) {
    std::ranges::fill(data, kNobody);
}

void ExitPort::out(uint16_t offset, std::span<const std::byte> data, unsigned width) {
    uint32_t status = 0;
    if (offset != 0 || width != sizeof(status) || data.size() < sizeof(status)) return;
    std::memcpy(&status, data.data(), sizeof(status));
    listener_.guest_ended(GuestEnd::kExitPort, status);
}

void ResetPort::in(uint16_t /*offset*/, std::span<std::byte> data, unsigned /*width*/) {
    std::ranges::fill(data, std::byte{0});
}

void ResetPort::out(uint16_t /*offset*/, std::span<const std::byte> data, unsigned /*width*/) {
    const auto resets = [](std::byte value) { return (value & kResetCpu) != std::byte{0}; };
    if (std::ranges::any_of(data, resets)) listener_.guest_ended(GuestEnd::kReset, 0);
}

Result<> SleepRegisters::check(const SleepRegistersState& state) {
    if ((state.sleep_type & ~SLP_TYP_MASK) != 0)
        return Error{"sleep registers: SLP_TYP", 0, "has bits of other fields", state.sleep_type};
    return Ok{};
}

void SleepRegisters::in(uint16_t offset, std::span<std::byte> data, unsigned width) {
    for (size_t i = 0; i < data.size(); ++i) {
        const bool control = offset + i % width == kSleepControl;
        data[i] = static_cast<std::byte>(control ? sleep_type_.load(std::memory_order_relaxed) : 0);
    }
}

void SleepRegisters::out(uint16_t offset, std::span<const std::byte> data, unsigned width) {
    for (size_t i = 0; i < data.size(); ++i) {
        if (offset + i % width != kSleepControl) continue;
        const auto value = static_cast<uint8_t>(data[i]);
        const uint8_t type = value & SLP_TYP_MASK;
        sleep_type_.store(type, std::memory_order_relaxed);
        // Other sleep types are not announced; a write that names one sleeps nowhere.
        if ((value & SLP_EN) != 0 && type >> kSleepTypeShift == soft_off_type_)
            listener_.guest_ended(GuestEnd::kPowerOff, 0);
    }
}
