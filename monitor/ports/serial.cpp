#include "monitor/ports/serial.hpp"

#include <algorithm>

#include "monitor/ports/serial_registers.hpp"

using namespace serial_registers;

namespace {

// Interrupt causes, as a set. A received-data interrupt and a timeout are two: see below.
constexpr uint8_t kLineStatus = 0x01;
constexpr uint8_t kReceivedData = 0x02;
constexpr uint8_t kTimeout = 0x04;
constexpr uint8_t kThrEmpty = 0x08;
constexpr uint8_t kModemStatus = 0x10;

constexpr uint8_t kUndecoded = 0xff;  // past the last register

}  // namespace

void Serial::in(uint16_t offset, std::span<std::byte> data, unsigned width) {
    const std::lock_guard lock(mutex_);
    if (width == 1 && data.size() == 1) {  // all that a console driver does
        data[0] = static_cast<std::byte>(read_register(offset));
        return;
    }
    for (size_t i = 0; i < data.size(); ++i)
        data[i] = static_cast<std::byte>(read_register(offset + static_cast<unsigned>(i % width)));
}

void Serial::out(uint16_t offset, std::span<const std::byte> data, unsigned width) {
    const std::lock_guard lock(mutex_);
    if (offset == THR && width == 1 && !divisor_latch()) {
        write_thr(data);
        return;
    }
    for (size_t i = 0; i < data.size(); ++i)
        write_register(offset + static_cast<unsigned>(i % width), static_cast<uint8_t>(data[i]));
}

size_t Serial::receive(std::span<const std::byte> bytes) {
    const std::lock_guard lock(mutex_);
    const size_t taken = std::min(bytes.size(), kQueueBytes - queued_);
    const size_t tail = (head_ + queued_) % kQueueBytes;
    const size_t until_wrap = std::min(taken, kQueueBytes - tail);
    std::ranges::copy(bytes.first(until_wrap), queue_.begin() + static_cast<ptrdiff_t>(tail));
    std::ranges::copy(bytes.subspan(until_wrap, taken - until_wrap), queue_.begin());
    queued_ += taken;
    if (taken < bytes.size()) refused_ = true;
    update_interrupt(refill_if_interrupting());
    return taken;
}

size_t Serial::receive_room() const {
    const std::lock_guard lock(mutex_);
    return kQueueBytes - queued_;
}

void Serial::transmit_ready() {
    const std::lock_guard lock(mutex_);
    if (!thre_withheld_) return;
    transmitted();  // looks again: a vCPU may have filled the sink meanwhile
    update_interrupt(false);
}

uint8_t Serial::read_register(unsigned offset) {
    switch (offset) {
        case RBR:
            return divisor_latch() ? static_cast<uint8_t>(divisor_) : read_rbr();
        case IER:
            return divisor_latch() ? static_cast<uint8_t>(divisor_ >> 8) : ier_;
        case IIR:
            return read_iir();
        case LCR:
            return lcr_;
        case MCR:
            return mcr_;
        case LSR:
            return read_lsr();
        case MSR:
            return read_msr();
        case SCR:
            return scr_;
        default:
            return kUndecoded;
    }
}

void Serial::write_register(unsigned offset, uint8_t value) {
    switch (offset) {
        case THR:
            if (divisor_latch()) {
                divisor_ = static_cast<uint16_t>((divisor_ & 0xff00) | value);
            } else {
                const auto byte = static_cast<std::byte>(value);
                write_thr({&byte, 1});
            }
            break;
        case IER:
            if (divisor_latch()) {
                divisor_ = static_cast<uint16_t>((divisor_ & 0x00ff) | value << 8);
            } else {
                write_ier(value);
            }
            break;
        case FCR:
            write_fcr(value);
            break;
        case LCR:
            lcr_ = value;
            break;
        case MCR:
            write_mcr(value);
            break;
        case SCR:
            scr_ = value;
            break;
        default:  // LSR and MSR are for reading; beyond there is nothing
            break;
    }
}

uint8_t Serial::read_rbr() {
    uint8_t value = 0;
    if (loop_count_ > 0) {
        value = loop_[0];
        std::ranges::copy(std::span(loop_).subspan(1, --loop_count_), loop_.begin());
    } else if (window_ > 0) {
        value = static_cast<uint8_t>(queue_[head_]);
        head_ = (head_ + 1) % kQueueBytes;
        --queued_;
        --window_;
        // Half, so that the I/O thread is not woken for every byte of a long paste.
        if (refused_ && queued_ <= kQueueBytes / 2) {
            refused_ = false;
            room_.signal();
        }
    } else {
        metrics_.missed_read_count.add();
        return value;  // nothing there, and a blind read must not make the next byte arrive
    }
    metrics_.read_count.add();
    // The next FIFO-full arrives when this one is used up, not byte by byte: one edge for
    // sixteen bytes, and DR stays set without a gap.
    update_interrupt(fifo_level() == 0 && refill());
    return value;
}

uint8_t Serial::read_iir() {
    const uint8_t fifos = fifo_enabled_ ? IIR_FIFOS_ENABLED : 0;
    const uint8_t pending = causes();
    if (pending & kLineStatus) return fifos | IIR_LINE_STATUS;
    if (pending & kReceivedData) return fifos | IIR_RECEIVED_DATA;
    if (pending & kTimeout) return fifos | IIR_TIMEOUT;
    if (pending & kThrEmpty) {
        thre_pending_ = false;
        update_interrupt(false);
        return fifos | IIR_THR_EMPTY;
    }
    if (pending & kModemStatus) return fifos | IIR_MODEM_STATUS;
    return fifos | IIR_NONE;
}

uint8_t Serial::read_lsr() {
    if (fifo_level() == 0 && queued_ > 0) update_interrupt(refill());
    uint8_t value = fifo_level() > 0 ? LSR_DR : 0;
    if (transmitter_empty()) value |= LSR_THRE | LSR_TEMT;
    if (overrun_) {
        value |= LSR_OE;
        overrun_ = false;
        update_interrupt(false);
    }
    return value;
}

uint8_t Serial::read_msr() {
    const uint8_t value = modem_lines() | msr_delta_;
    if (msr_delta_ != 0) {
        msr_delta_ = 0;
        update_interrupt(false);
    }
    return value;
}

void Serial::write_thr(std::span<const std::byte> bytes) {
    bool received = false;
    metrics_.write_count.add(bytes.size());
    if (loopback()) {
        for (const std::byte byte : bytes) {
            if (loop_count_ == fifo_depth()) {
                // Line Status Register, bit 1: a full FIFO keeps its bytes, a full RBR is
                // overwritten.
                overrun_ = true;
                metrics_.error_count.add();
                if (fifo_enabled_) continue;
                loop_count_ = 0;
            }
            loop_[loop_count_++] = static_cast<uint8_t>(byte);
            received = true;
        }
    } else {
        sink_.transmit(bytes);
    }
    transmitted();
    update_interrupt(received);
}

void Serial::write_ier(uint8_t value) {
    const uint8_t enabled = value & ~ier_;
    ier_ = value & IER_MASK;
    // Drivers start transmitting by enabling this interrupt and count on getting it.
    if (enabled & IER_ETBEI) transmitted();
    update_interrupt(refill_if_interrupting());
}

void Serial::write_fcr(uint8_t value) {
    const bool enable = (value & FCR_ENABLE) != 0;
    if (enable != fifo_enabled_ || (enable && (value & FCR_RESET_RECEIVE))) reset_receive_fifo();
    fifo_enabled_ = enable;
    trigger_ = enable ? kTriggerBytes[value >> kTriggerShift] : 1;
    update_interrupt(refill_if_interrupting());
}

void Serial::write_mcr(uint8_t value) {
    const uint8_t before = modem_lines();
    mcr_ = value & MCR_MASK;
    const uint8_t after = modem_lines();
    const uint8_t changed = before ^ after;
    msr_delta_ |= static_cast<uint8_t>((changed & ~MSR_RI) >> kDeltaShift);
    if (before & ~after & MSR_RI) msr_delta_ |= MSR_TERI;  // RI counts when it ends
    if (loopback()) window_ = 0;                           // the far end is cut off: its bytes wait
    update_interrupt(refill_if_interrupting());
}

bool Serial::loopback() const {
    return (mcr_ & MCR_LOOP) != 0;
}

bool Serial::divisor_latch() const {
    return (lcr_ & LCR_DLAB) != 0;
}

// Modem Control Register, bit 4: in loopback the outputs are wired to the inputs; otherwise a far
// end that is always there.
uint8_t Serial::modem_lines() const {
    if (!loopback()) return MSR_CTS | MSR_DSR | MSR_DCD;
    uint8_t lines = 0;
    if (mcr_ & MCR_RTS) lines |= MSR_CTS;
    if (mcr_ & MCR_DTR) lines |= MSR_DSR;
    if (mcr_ & MCR_OUT1) lines |= MSR_RI;
    if (mcr_ & MCR_OUT2) lines |= MSR_DCD;
    return lines;
}

void Serial::reset_receive_fifo() {
    loop_count_ = 0;
    window_ = 0;  // back to the far end, see the header
}

// Lets bytes of the queue into the FIFO if the guest is ready for them; true if any came.
bool Serial::refill() {
    if (loopback() || ((mcr_ & MCR_RTS) == 0 && (ier_ & IER_ERBFI) == 0)) return false;
    const size_t space = fifo_depth() - std::min(fifo_depth(), fifo_level());
    const size_t arriving = std::min(space, queued_ - window_);
    window_ += arriving;
    return arriving > 0;
}

bool Serial::refill_if_interrupting() {
    return (ier_ & IER_ERBFI) != 0 && refill();
}

// There is no wire time: what was written has left when the write returns, unless the sink is
// full. Then the transmitter becomes empty in transmit_ready().
void Serial::transmitted() {
    thre_withheld_ = !transmitter_empty();
    thre_pending_ = !thre_withheld_;
}

uint8_t Serial::causes() const {
    uint8_t set = 0;
    const size_t level = fifo_level();
    if (level > 0 && (ier_ & IER_ERBFI)) set |= level >= trigger_ ? kReceivedData : kTimeout;
    if (thre_pending_ && (ier_ & IER_ETBEI)) set |= kThrEmpty;
    if (overrun_ && (ier_ & IER_ELSI)) set |= kLineStatus;
    if (msr_delta_ != 0 && (ier_ & IER_EDSSI)) set |= kModemStatus;
    return set;
}

// An irqfd is an edge, the UART's INTR pin a level, so the edges must be chosen such that no driver
// waits for one that is not sent. An edge goes out
//  - for every cause that was not there before, even beside others. Reading the FIFO below the
//    trigger level turns received-data into timeout, so a driver that stops there is called
//    again. (There is no wire time to wait four characters of: the timeout is immediate.)
//  - when bytes arrive while a receive cause is there already: on a wire there would have been a
//    moment without.
// A cause that merely stays sends none: its edge is still latched in the interrupt controller, or
// the handler that it called has not read IIR "none" yet, without which none may return: an ISA
// interrupt is an edge on real machines too. An edge too many costs the driver one read of IIR.
void Serial::update_interrupt(bool refilled) {
    const uint8_t pending = causes();
    const uint8_t fresh = pending & ~signalled_;
    signalled_ = pending;
    if (fresh != 0 || (refilled && (pending & (kReceivedData | kTimeout)) != 0))
        interrupt_.signal();
}
