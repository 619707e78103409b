// An i8042 keyboard controller at ports 0x60 to 0x64. It is there for one command, 0xfe, by which
// Linux reboots (reboot=k); it answers the others because Linux's driver waits half a second for
// each answer that does not come, and its reboot path 131 ms for a controller that never says
// "ready".
//
// Nothing is plugged in, and it raises no interrupt, unless the VM has a keyboard. That one has
// three keys, Ctrl, Alt and Del, which are pressed together and let go when the API's
// SendCtrlAltDel asks for it; beyond that it says what a driver wants to hear.
//
// The machine owns it. vCPU threads access ports, the API's thread presses keys: one mutex covers
// all of it. What waits for the guest is bounded: one answer, and four strokes of the keys, as many
// as Firecracker's keeps.
//
// IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device Controller" and
// "Keyboards (101- and 102-key)".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>

#include "base/event_fd.hpp"
#include "base/result.hpp"
#include "monitor/metrics/i8042_metrics.hpp"
#include "monitor/ports/bus.hpp"
#include "monitor/ports/control.hpp"
#include "monitor/ports/state.hpp"

class I8042 final : public PortDevice {
public:
    static constexpr uint16_t kPorts = 5;  // 0x60 data, 0x64 status and command, between them none

    // `keyboard_interrupt`: irqfd of the keyboard's GSI, a signal is an edge; nullptr: there is no
    // keyboard. Both outlive the controller. `state`: as the guest finds it. Precondition:
    // check(state, whether there is a keyboard).ok().
    I8042(ControlListener& listener, const EventFd* keyboard_interrupt,
          const I8042State& state = {});

    // Whether a controller can be in such a state. Errors: the field that it cannot be in.
    static Result<> check(const I8042State& state, bool has_keyboard);
    // Any thread; between accesses of vCPUs, for a snapshot.
    I8042State save() const;
    // As Serial::repeat_interrupt().
    void repeat_interrupt() const;

    void in(uint16_t offset, std::span<std::byte> data, unsigned width) override;
    void out(uint16_t offset, std::span<const std::byte> data, unsigned width) override;

    // Any thread. Errors: the guest has yet to read the keys of the last four times; there is no
    // keyboard.
    Result<> press_ctrl_alt_del();

    const I8042Metrics& metrics() const { return metrics_; }

private:
    static constexpr size_t kMostStrokes = 4;

    // Bytes that the guest takes one by one.
    class Bytes {
    public:
        static constexpr size_t kCapacity = I8042State::kMostKeyBytes;

        // In place of what is there; at most kCapacity.
        void assign(std::span<const uint8_t> bytes);
        // Behind what is there. False: so many wait already.
        bool append_stroke(std::span<const uint8_t> bytes);
        bool is_empty() const { return at_ == size_; }
        uint8_t take() { return bytes_[at_++]; }  // precondition: is not empty
        std::span<const uint8_t> rest() const {
            return std::span(bytes_).subspan(at_, size_ - at_);
        }

    private:
        std::array<uint8_t, kCapacity> bytes_{};
        size_t at_ = 0;
        size_t size_ = 0;
    };

    uint8_t read(unsigned offset);
    void command(uint8_t command);
    void write_data(uint8_t value);

    // With the mutex held, as all below.
    bool has_keyboard() const { return interrupt_ != nullptr; }
    bool has_output() const;
    uint8_t take_output();
    void answer(std::span<const uint8_t> bytes) { answer_.assign(bytes); }
    void answer(uint8_t byte) { answer_.assign({&byte, 1}); }
    void answer_as_keyboard(uint8_t command);
    void write_configuration(uint8_t value);
    // An edge, if the guest wants one and there is something to read.
    void interrupt_for_output() const;

    ControlListener& listener_;
    const EventFd* const interrupt_;
    mutable std::mutex mutex_;  // guards what follows; not held when the listener is called
    uint8_t configuration_;     // the "command byte"
    Bytes answer_;              // to the last command; comes before the keys
    Bytes keys_;
    uint8_t output_;              // what was read last, which the data port still shows
    uint8_t awaiting_parameter_;  // command whose parameter comes through the data port, or 0
    I8042Metrics metrics_;
};
