// The ports by which a guest ends itself: keyboard-controller reset, exit status, ACPI soft-off.
//
// The machine owns the three devices and is their listener. They are called on vCPU threads,
// several at once; what little they remember is atomic or under a mutex of their own.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>

#include "monitor/ports/bus.hpp"
#include "monitor/ports/i8042_metrics.hpp"

// How a guest ended itself.
enum class GuestEnd {
    kReset,     // pulsed the reset line: a reboot
    kPowerOff,  // entered S5
    kExitPort,  // wrote its exit status
};

class ControlListener {
public:
    ControlListener() = default;
    ControlListener(const ControlListener&) = delete;
    ControlListener(ControlListener&&) = delete;
    ControlListener& operator=(const ControlListener&) = delete;
    ControlListener& operator=(ControlListener&&) = delete;

    // The guest asked to end. `status` is what it wrote for kExitPort, else 0. Called on the vCPU
    // thread that asked, once or more, by several vCPUs at once if the guest is so inclined; the
    // first call counts. Returns, and the vCPU must then not be run again.
    virtual void guest_ended(GuestEnd how, uint32_t status) = 0;

protected:
    ~ControlListener() = default;
};

// An i8042 keyboard controller with nothing plugged in, at ports 0x60 to 0x64. It is there for
// one command, 0xfe, by which Linux reboots (reboot=k); it answers the others because Linux's
// driver waits half a second for each answer that does not come, and its reboot path 131 ms for
// a controller that never says "ready". It raises no interrupt.
class I8042 final : public PortDevice {
public:
    static constexpr uint16_t kPorts = 5;  // 0x60 data, 0x64 status and command, between them none

    explicit I8042(ControlListener& listener) : listener_(listener) {}

    void in(uint16_t offset, std::span<std::byte> data, unsigned width) override;
    void out(uint16_t offset, std::span<const std::byte> data, unsigned width) override;

    const I8042Metrics& metrics() const { return metrics_; }

private:
    uint8_t read(unsigned offset);
    void command(uint8_t command);
    void write_data(uint8_t value);

    ControlListener& listener_;
    std::mutex mutex_;                // guards what follows; not held when the listener is called
    uint8_t configuration_ = 0x74;    // both interfaces disabled, translation on, self-test passed
    uint8_t output_ = 0;              // the one-byte output buffer
    bool output_full_ = false;        // status.OBF
    uint8_t awaiting_parameter_ = 0;  // command whose parameter comes through the data port, or 0
    I8042Metrics metrics_;
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

// SLEEP_CONTROL_REG and SLEEP_STATUS_REG of hardware-reduced ACPI (ACPI 6.4 §4.8.3.7), a byte
// each. S5 is the only sleep state: nothing here ever wakes, so WAK_STS is never set, and its
// write-one-to-clear has nothing to clear.
class SleepRegisters final : public PortDevice {
public:
    static constexpr uint16_t kPorts = 2;  // control, status

    // `soft_off_type`: the SLP_TYP that the DSDT's \_S5 announces, 0 to 7.
    SleepRegisters(ControlListener& listener, uint8_t soft_off_type)
        : listener_(listener), soft_off_type_(soft_off_type) {}

    void in(uint16_t offset, std::span<std::byte> data, unsigned width) override;
    void out(uint16_t offset, std::span<const std::byte> data, unsigned width) override;

private:
    ControlListener& listener_;
    uint8_t soft_off_type_;
    std::atomic<uint8_t> sleep_type_ = 0;  // SLP_TYP in place, as last written
};
