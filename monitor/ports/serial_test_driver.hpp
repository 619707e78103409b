// For tests: the guest's side of the serial port, and a console that remembers.
#pragma once

#include <array>
#include <cstring>
#include <gtest/gtest.h>
#include <string>
#include <string_view>
#include <vector>

#include "monitor/ports/serial.hpp"

// The registers in the words of <linux/serial_reg.h>, shortened.
namespace uart {

enum : uint16_t { RX = 0, TX = 0, DLL = 0, IER = 1, DLM = 1, IIR = 2, FCR = 2, EFR = 2 };
enum : uint16_t { LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7 };
enum : uint8_t { RDI = 0x01, THRI = 0x02, RLSI = 0x04, MSI = 0x08 };
enum : uint8_t { DTR = 0x01, RTS = 0x02, OUT1 = 0x04, OUT2 = 0x08, LOOP = 0x10 };
enum : uint8_t { DR = 0x01, OE = 0x02, THRE = 0x20, TEMT = 0x40 };
enum : uint8_t { FIFO = 0x01, CLEAR_RX = 0x02, CLEAR_TX = 0x04 };
enum : uint8_t { DLAB = 0x80, WLEN8 = 0x03, CONF_MODE_B = 0xbf };
constexpr uint8_t kNoInterrupt = 0x01;

}  // namespace uart

inline std::vector<std::byte> to_bytes(std::string_view text) {
    std::vector<std::byte> bytes(text.size());
    std::memcpy(bytes.data(), text.data(), text.size());
    return bytes;
}

class Console final : public SerialSink {
public:
    void transmit(std::span<const std::byte> bytes) override {
        ++calls;
        for (const std::byte byte : bytes) text += static_cast<char>(byte);
    }
    bool has_room() const override { return room; }

    std::string text;
    unsigned calls = 0;
    bool room = true;
};

// Register accesses of one vCPU.
class Driver {
public:
    explicit Driver(Serial& serial) : device_(serial) {}

    uint8_t in(uint16_t offset, unsigned mask = 0xff) {
        std::array<std::byte, 1> data{};
        device_.in(offset, data, 1);
        return static_cast<uint8_t>(static_cast<unsigned>(data[0]) & mask);
    }
    void out(uint16_t offset, unsigned value) {
        device_.out(offset, std::array{static_cast<std::byte>(value)}, 1);
    }
    bool has_input() { return in(uart::LSR, uart::DR) != 0; }

private:
    Serial& device_;
};

// A port, and a driver's ways of using it.
class Port : public Driver {
public:
    explicit Port(const SerialState& state = {})
        : Driver(serial_), serial_(console_, interrupt_, room_, state) {}

    size_t type(std::string_view text) { return serial_.receive(to_bytes(text)); }
    bool interrupted() { return interrupt_.drain(); }

    // What a polling driver reads.
    std::string poll() {
        std::string text;
        while (has_input()) text += static_cast<char>(in(uart::RX));
        return text;
    }

    // What an interrupt-driven one does, called by edges alone as from an IOAPIC: the handler runs
    // while there are edges, and within it until IIR says that there is no cause left.
    std::string take_interrupts() {
        std::string text;
        while (interrupted()) {
            for (;;) {
                const uint8_t iir = in(uart::IIR);
                if (iir & uart::kNoInterrupt) break;
                while (has_input()) text += static_cast<char>(in(uart::RX));
                in(uart::MSR);
            }
        }
        return text;
    }

    void set_up_interrupts(unsigned fcr = uart::FIFO | 0x80) {
        using namespace uart;
        out(FCR, fcr);
        out(MCR, DTR | RTS | OUT2);
        out(IER, RDI | RLSI);
    }

    Console console_;
    EventFd interrupt_ = EventFd::create().value();
    EventFd room_ = EventFd::create().value();
    Serial serial_;
};

class SerialPort : public testing::Test, protected Port {};
