// A 16550A UART, COM1: the guest's console. Register names are those of the National Semiconductor
// PC16550D data sheet (June 1995).
//
// The machine owns it. Three kinds of thread meet in it: vCPU threads access registers, the I/O
// thread brings input and makes room for output. One mutex covers all of it; it is the only lock
// of the serial path.
//
// Input. The far end of the line is the host, which is patient: bytes it has sent wait in a queue
// of 4 KiB here, and the receive FIFO is a window onto the front of that queue. Bytes come into
// the window only while the guest is ready for them (MCR.RTS or IER.ERBFI is set, and no loopback)
// and somebody looks: at once with ERBFI, otherwise when the guest reads LSR, or reads RBR and so
// empties the FIFO. A FIFO that the guest resets or that loopback takes over gives its bytes
// back to the queue instead of dropping them. The guest cannot tell this from a far end that sent
// a little later, and no byte is lost until the guest itself reads it: not to a driver that
// resets the FIFOs and reads RBR blindly while it starts, not to a shell that sets the
// terminal's modes again while input is already there.
//
// Interrupts. An edge on the irqfd of COM1's GSI. OUT2 is not asked: on a PC it separates
// cards that share an ISA line, nothing shares this one, and small kernels do not set it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>

#include "base/event_fd.hpp"
#include "base/pinned.hpp"
#include "base/result.hpp"
#include "monitor/metrics/serial_metrics.hpp"
#include "monitor/ports/bus.hpp"
#include "monitor/ports/state.hpp"

// Where transmitted bytes go: the console's output.
class SerialSink : private Pinned {
public:
    // Takes all of `bytes`, in order; what it has no room for it may wait for a bounded time, and
    // then drops. Called on vCPU threads with the port's lock held: it must not call the port,
    // nor wait for the I/O thread, which may be waiting for that lock.
    virtual void transmit(std::span<const std::byte> bytes) = 0;
    // False: the line is busy, LSR.THRE and LSR.TEMT read 0. Called like transmit(), on every
    // read of LSR. Whoever makes room afterwards calls Serial::transmit_ready().
    virtual bool has_room() const = 0;

protected:
    ~SerialSink() = default;
};

class Serial final : public PortDevice {
public:
    static constexpr uint16_t kPorts = 8;
    static constexpr size_t kQueueBytes = SerialState::kQueueBytes;  // the FIFO's bytes included

    // `interrupt`: irqfd of COM1's GSI; a signal is an edge. `room`: signalled when receive() took
    // less than it was offered and half of the queue has become free since. All outlive the port.
    // `state`: as the guest finds it. Precondition: check(state).ok().
    Serial(SerialSink& sink, const EventFd& interrupt, const EventFd& room,
           const SerialState& state = {});

    // Whether a port can be in such a state. Errors: the field that it cannot be in.
    static Result<> check(const SerialState& state);
    // Any thread; between accesses of vCPUs, for a snapshot.
    SerialState save() const;
    // An edge, if there is any cause for one, even if the guest has had it: those that are on their
    // way to KVM when a VM is saved are not in its state, and KVM forgets those that come before it
    // is given that state. Any thread, once the vCPUs have theirs.
    void repeat_interrupt();

    // Register accesses of vCPU threads. A port is a byte wide: an access of 2 or 4 bytes is that
    // many accesses to consecutive registers, as an ISA bridge splits it. String output of bytes
    // to THR is one call of the sink.
    void in(uint16_t offset, std::span<std::byte> data, unsigned width) override;
    void out(uint16_t offset, std::span<const std::byte> data, unsigned width) override;

    // I/O thread: bytes from the far end. Takes what fits and returns how many; the rest is the
    // caller's to hold until `room` fires.
    size_t receive(std::span<const std::byte> bytes);
    // How many bytes receive() would take now; only receive() makes it less.
    size_t receive_room() const;

    // I/O thread: the sink has room again. Raises the THRE interrupt if it was withheld.
    void transmit_ready();

    const SerialMetrics& metrics() const { return metrics_; }

private:
    static constexpr size_t kFifoBytes = SerialState::kFifoBytes;

    // All below are called with mutex_ held.
    uint8_t read_register(unsigned offset);
    void write_register(unsigned offset, uint8_t value);
    uint8_t read_rbr();
    uint8_t read_iir();
    uint8_t read_lsr();
    uint8_t read_msr();
    void write_thr(std::span<const std::byte> bytes);
    void write_ier(uint8_t value);
    void write_fcr(uint8_t value);
    void write_mcr(uint8_t value);

    bool loopback() const;
    bool divisor_latch() const;
    bool transmitter_empty() const { return loopback() || sink_.has_room(); }
    uint8_t modem_lines() const;
    size_t fifo_depth() const { return fifo_enabled_ ? kFifoBytes : 1; }
    size_t fifo_level() const { return loop_count_ + window_; }

    void reset_receive_fifo();
    bool refill();
    bool refill_if_interrupting();
    void transmitted();
    uint8_t causes() const;
    void update_interrupt(bool refilled);

    SerialSink& sink_;
    const EventFd& interrupt_;
    const EventFd& room_;

    mutable std::mutex mutex_;  // guards everything below, and the calls of sink_

    uint8_t ier_;
    uint8_t lcr_;
    uint8_t mcr_;
    uint8_t scr_;
    uint8_t msr_delta_;
    uint16_t divisor_;
    bool fifo_enabled_;
    uint8_t trigger_;             // bytes in the FIFO for a received-data interrupt
    bool overrun_;                // LSR.OE
    bool thre_pending_;           // transmitter emptied, and IIR has not reported it yet
    bool thre_withheld_ = false;  // the transmitter will be empty when the sink has room
    uint8_t signalled_ = 0;       // interrupt causes of which the guest has had an edge
    bool refused_ = false;        // receive() took less than offered; `room` is owed

    // The receive FIFO: loop_count_ bytes of loopback, then the first window_ bytes of the queue.
    std::array<uint8_t, kFifoBytes> loop_{};
    size_t loop_count_;
    size_t window_;

    // Bytes from the far end: a ring of queued_ bytes from head_ on.
    // Not cleared: a page that no byte has come through is not touched.
    std::array<std::byte, kQueueBytes> queue_;
    size_t head_ = 0;
    size_t queued_;

    SerialMetrics metrics_;
};
