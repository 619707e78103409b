// The ports by which a guest ends itself, but for the keyboard controller (i8042.hpp): exit status,
// ACPI soft-off, and the chipset's reset.
//
// The machine owns the devices and is their listener. They are called on vCPU threads, several at
// once; what little they remember is atomic.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "base/pinned.hpp"
#include "base/result.hpp"
#include "monitor/ports/bus.hpp"
#include "monitor/ports/state.hpp"

// How a guest ended itself.
enum class GuestEnd {
    kReset,     // pulsed the reset line: a reboot
    kPowerOff,  // entered S5
    kExitPort,  // wrote its exit status
    kVersion,   // was refused: it is not of the version that the monitor is (abi/version.hpp)
};

class ControlListener : private Pinned {
public:
    // The guest asked to end. `status` is what it wrote for kExitPort, the version that it said for
    // kVersion, else 0. Called on the vCPU thread that asked, once or more, by several vCPUs at
    // once if the guest is so inclined; the first call counts. Returns, and the vCPU must then not
    // be run again.
    virtual void guest_ended(GuestEnd how, uint32_t status) = 0;

protected:
    ~ControlListener() = default;
};

// Exit status: a 32-bit OUT to port 0xf4 ends the guest with that value. Other widths and reads
// are nobody's, so that a guest that scans for hardware byte by byte does not end itself.
class ExitPort final : public PortDevice {
public:
    static constexpr uint16_t kPorts = 4;

    explicit ExitPort(ControlListener& listener) : listener_(listener) {}

    void in(uint16_t offset, std::span<std::byte> data, unsigned width) override;
    void out(uint16_t offset, std::span<const std::byte> data, unsigned width) override;

private:
    ControlListener& listener_;
};

// The reset control register of Intel's chipsets (RST_CNT, PIIX on): a write with bit 2 resets. Bit
// 1, what kind of reset, makes no difference to a guest that is gone. Reads as zero.
class ResetPort final : public PortDevice {
public:
    static constexpr uint16_t kPorts = 1;

    explicit ResetPort(ControlListener& listener) : listener_(listener) {}

    void in(uint16_t offset, std::span<std::byte> data, unsigned width) override;
    void out(uint16_t offset, std::span<const std::byte> data, unsigned width) override;

private:
    ControlListener& listener_;
};

// SLEEP_CONTROL_REG and SLEEP_STATUS_REG of hardware-reduced ACPI (ACPI 6.4 §4.8.3.7), a byte
// each. S5 is the only sleep state: nothing here ever wakes, so WAK_STS is never set, and its
// write-one-to-clear has nothing to clear.
class SleepRegisters final : public PortDevice {
public:
    static constexpr uint16_t kPorts = 2;  // control, status

    // `soft_off_type`: the SLP_TYP that the DSDT's \_S5 announces, 0 to 7. `state`: as the guest
    // finds them. Precondition: check(state).ok().
    SleepRegisters(ControlListener& listener, uint8_t soft_off_type,
                   const SleepRegistersState& state = {})
        : listener_(listener), soft_off_type_(soft_off_type), sleep_type_(state.sleep_type) {}

    // Errors: the field that they cannot have so.
    static Result<> check(const SleepRegistersState& state);
    // Any thread; between accesses of vCPUs, for a snapshot.
    SleepRegistersState save() const {
        return {.sleep_type = sleep_type_.load(std::memory_order_relaxed)};
    }

    void in(uint16_t offset, std::span<std::byte> data, unsigned width) override;
    void out(uint16_t offset, std::span<const std::byte> data, unsigned width) override;

private:
    ControlListener& listener_;
    uint8_t soft_off_type_;
    std::atomic<uint8_t> sleep_type_;  // SLP_TYP in place, as last written
};
