// What the ports' devices remember, as plain values: a snapshot is made of these, and devices are
// created from them. Each is, as constructed, the state in which a VM starts.
//
// Counters of metrics are the process's, not the VM's: they are in none of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

// Of Serial. Register names are those of its data sheet (serial.hpp).
struct SerialState {
    static constexpr size_t kFifoBytes = 16;
    static constexpr size_t kQueueBytes = 4096;

    uint8_t interrupt_enable = 0;      // IER
    uint8_t line_control = 0;          // LCR
    uint8_t modem_control = 0;         // MCR
    uint8_t scratch = 0;               // SCR
    uint8_t modem_status_changes = 0;  // MSR, bits 0 to 3
    // 9600 baud, as firmware leaves it. Never 0 by itself: Linux divides by what it finds.
    uint16_t divisor = 12;
    bool fifo_enabled = false;
    uint8_t trigger_bytes = 1;  // in the FIFO for a received-data interrupt
    bool overrun = false;       // LSR.OE
    // The transmitter has emptied, and IIR has not reported it yet. True as well where it will when
    // the console has room: a restored VM's has.
    bool transmitter_emptied = false;
    std::vector<uint8_t> loopback;  // at the FIFO's front; at most kFifoBytes
    // From the far end, not yet read by the guest; at most kQueueBytes. The first `arrived` of them
    // are in the FIFO.
    std::vector<std::byte> queue;
    uint16_t arrived = 0;

    bool operator==(const SerialState&) const = default;
};

// Of I8042.
struct I8042State {
    static constexpr size_t kMostAnswerBytes = 3;
    static constexpr size_t kMostKeyBytes = 44;

    std::optional<uint8_t> configuration;  // the "command byte"; none: as firmware leaves it
    std::vector<uint8_t> answer;           // what waits for the guest; at most kMostAnswerBytes
    std::vector<uint8_t> keys;             // the same, of keys; at most kMostKeyBytes
    uint8_t output = 0;                    // what was read last
    uint8_t awaiting_parameter = 0;  // command whose parameter comes through the data port, or 0

    bool operator==(const I8042State&) const = default;
};

// Of CmosClock. The time is the host's.
struct CmosClockState {
    uint8_t index = 0;
    int64_t shown_time = 0;  // what a guest that is reading registers sees; seconds since 1970, UTC

    bool operator==(const CmosClockState&) const = default;
};

// Of SleepRegisters.
struct SleepRegistersState {
    uint8_t sleep_type = 0;  // SLP_TYP in place, as last written

    bool operator==(const SleepRegistersState&) const = default;
};
