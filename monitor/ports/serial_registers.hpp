// The registers of a 16550A and their bits, as Serial has them. Names are those of the PC16550D
// data sheet.
#pragma once

#include <array>
#include <cstdint>

namespace serial_registers {

// Register offsets (PC16550D Table II).
enum : unsigned {
    RBR = 0,  // r   divisor latch, low byte, while LCR.DLAB is set
    THR = 0,  // w   the same
    IER = 1,  // rw  divisor latch, high byte, while LCR.DLAB is set
    IIR = 2,  // r
    FCR = 2,  // w
    LCR = 3,  // rw
    MCR = 4,  // rw
    LSR = 5,  // r
    MSR = 6,  // r
    SCR = 7,  // rw
};

enum : uint8_t {
    IER_ERBFI = 0x01,  // received data available, and timeout
    IER_ETBEI = 0x02,  // THR empty
    IER_ELSI = 0x04,   // line status
    IER_EDSSI = 0x08,  // modem status
    IER_MASK = 0x0f,
};

enum : uint8_t {
    IIR_MODEM_STATUS = 0x00,
    IIR_NONE = 0x01,
    IIR_THR_EMPTY = 0x02,
    IIR_RECEIVED_DATA = 0x04,
    IIR_LINE_STATUS = 0x06,
    IIR_TIMEOUT = 0x0c,
    IIR_FIFOS_ENABLED = 0xc0,
};

enum : uint8_t {
    FCR_ENABLE = 0x01,
    FCR_RESET_RECEIVE = 0x02,  // bit 2, reset transmit, finds nothing to reset
};
constexpr unsigned kTriggerShift = 6;
constexpr std::array<uint8_t, 4> kTriggerBytes = {1, 4, 8, 14};

enum : uint8_t { LCR_DLAB = 0x80 };

enum : uint8_t {
    MCR_DTR = 0x01,
    MCR_RTS = 0x02,
    MCR_OUT1 = 0x04,
    MCR_OUT2 = 0x08,
    MCR_LOOP = 0x10,
    MCR_MASK = 0x1f,
};

enum : uint8_t {
    LSR_DR = 0x01,
    LSR_OE = 0x02,
    LSR_THRE = 0x20,
    LSR_TEMT = 0x40,
};

enum : uint8_t {
    MSR_TERI = 0x04,
    MSR_CTS = 0x10,
    MSR_DSR = 0x20,
    MSR_RI = 0x40,
    MSR_DCD = 0x80,
};
constexpr unsigned kDeltaShift = 4;  // DCTS, DDSR, DDCD lie this far below CTS, DSR, DCD
constexpr uint8_t kDeltaMask = 0x0f;

}  // namespace serial_registers
