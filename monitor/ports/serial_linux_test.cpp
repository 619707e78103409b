// The serial port as Linux's driver uses it.
#include <numeric>

#include "monitor/ports/serial_test_driver.hpp"

namespace {

using namespace uart;

// drivers/tty/serial/8250/8250_port.c, step by step, with input there from the first moment.
class Linux : public SerialPort {
protected:
    void clear_fifos() {
        out(FCR, FIFO);
        out(FCR, FIFO | CLEAR_RX | CLEAR_TX);
        out(FCR, 0);
    }

    // size_fifo(): how many of 256 looped bytes arrive.
    unsigned size_fifo() {
        out(LCR, 0);
        const uint8_t old_fcr = in(IIR);
        const uint8_t old_mcr = in(MCR);
        out(FCR, FIFO | CLEAR_RX | CLEAR_TX);
        out(MCR, LOOP);
        out(LCR, DLAB);
        const unsigned old_divisor = in(DLL) | unsigned{in(DLM)} << 8;
        out(DLL, 1);
        out(DLM, 0);
        out(LCR, WLEN8);
        for (unsigned i = 0; i < 256; ++i) out(TX, i);
        unsigned count = 0;
        for (; has_input() && count < 256; ++count) EXPECT_EQ(in(RX), count);
        out(FCR, old_fcr);
        out(MCR, old_mcr);
        out(LCR, DLAB);
        out(DLL, old_divisor & 0xff);
        out(DLM, old_divisor >> 8);
        return count;
    }

    // autoconfig() and autoconfig_16550a(): true if a 16550A is found.
    bool autoconfig() {
        const uint8_t ier = in(IER);
        out(IER, 0);
        EXPECT_EQ(in(IER, 0x0f), 0);
        out(IER, 0x0f);
        EXPECT_EQ(in(IER, 0x0f), 0x0f);
        out(IER, ier);
        const uint8_t save_mcr = in(MCR);
        const uint8_t save_lcr = in(LCR);
        out(MCR, LOOP | OUT2 | RTS);
        EXPECT_EQ(in(MSR, 0xf0), 0x90);
        out(MCR, save_mcr);
        out(LCR, CONF_MODE_B);
        out(EFR, 0);
        out(LCR, 0);
        out(FCR, FIFO);
        if (in(IIR) >> 6 != 3) return false;

        out(FCR, FIFO);
        out(LCR, DLAB);
        EXPECT_NE(in(EFR), 0) << "a 16650";
        out(LCR, CONF_MODE_B);
        EXPECT_NE(in(EFR), 0) << "a 16650V2";
        out(LCR, 0);
        out(MCR, save_mcr ^ LOOP);
        out(LCR, 0xe0);
        EXPECT_EQ(in(2, LOOP), save_mcr & LOOP) << "a National SuperIO";
        out(LCR, 0);
        out(MCR, save_mcr);
        out(FCR, FIFO | 0x20);
        EXPECT_EQ(in(IIR) >> 5, 6);
        out(FCR, FIFO);
        out(LCR, DLAB);
        out(FCR, FIFO | 0x20);
        EXPECT_EQ(in(IIR) >> 5, 6) << "a 16750";
        out(FCR, FIFO);
        out(LCR, 0);
        EXPECT_EQ(size_fifo(), 16U);

        out(LCR, save_lcr);
        out(MCR, save_mcr);
        clear_fifos();
        in(RX);
        out(IER, 0);
        return true;
    }

    // serial8250_console_write(): the driver's own state of IER comes back afterwards.
    void console_write(std::string_view text) {
        const uint8_t ier = in(IER);
        out(IER, 0);
        for (const char letter : text) {
            ASSERT_EQ(in(LSR, THRE), THRE);
            out(TX, static_cast<uint8_t>(letter));
        }
        ASSERT_EQ(in(LSR, THRE | TEMT), THRE | TEMT);
        out(IER, ier);
    }

    void clear_interrupts() {
        in(LSR);
        in(RX);
        in(IIR);
        in(MSR);
    }

    // serial8250_do_startup()
    void startup() {
        clear_fifos();
        clear_interrupts();
        ASSERT_NE(in(LSR), 0xff);
        out(IER, THRI);
        EXPECT_EQ(in(IIR, kNoInterrupt), 0);
        out(IER, 0);
        out(IER, THRI);
        EXPECT_EQ(in(IIR, kNoInterrupt), 0) << "UART_BUG_THRE: a timer would poll the port";
        out(IER, 0);
        out(LCR, WLEN8);
        out(MCR, DTR | OUT2);
        out(IER, THRI);
        const uint8_t lsr = in(LSR);
        EXPECT_FALSE((lsr & TEMT) && in(IIR, kNoInterrupt)) << "UART_BUG_TXEN";
        out(IER, 0);
        clear_interrupts();
    }

    // serial8250_do_set_termios(): the receive FIFO is cleared after its interrupt is enabled.
    void set_termios(unsigned ier, unsigned mcr) {
        out(IER, ier);
        out(LCR, WLEN8 | DLAB);
        out(DLL, 1);
        out(DLM, 0);
        out(LCR, WLEN8);
        out(FCR, FIFO);
        out(FCR, FIFO | 0x80 | CLEAR_RX | CLEAR_TX);
        out(MCR, mcr);
    }
};

TEST_F(Linux, BootsWithInputWaitingAndLosesNone) {
    const std::string typed = "typed before the kernel, and rather more than sixteen bytes of it\n";
    EXPECT_EQ(type(typed), typed.size());
    // The early console raises RTS and polls LSR.
    out(LCR, WLEN8);
    out(IER, 0);
    out(FCR, 0);
    out(MCR, DTR | RTS);
    console_write("early\n");
    ASSERT_TRUE(autoconfig());
    // serial8250_console_setup(): DTR alone from here on, until the port is opened.
    set_termios(0, DTR);
    console_write("console\n");
    startup();
    set_termios(RDI | RLSI, DTR | OUT2);
    out(MCR, DTR | RTS | OUT2);
    console_write("open\n");
    std::string read = take_interrupts();
    // The shell sets the terminal's modes while more is arriving.
    type("second line\n");
    set_termios(RDI | RLSI, DTR | RTS | OUT2);
    type("third line\n");
    read += take_interrupts();
    EXPECT_EQ(read, typed + "second line\nthird line\n");
    EXPECT_EQ(console_.text, "early\nconsole\nopen\n");
}

TEST_F(Linux, ClosesAndOpensThePortAgain) {
    startup();
    set_termios(RDI | RLSI, DTR | RTS | OUT2);
    type("read\n");
    EXPECT_EQ(take_interrupts(), "read\n");
    // uart_tty_port_shutdown(), serial8250_do_shutdown()
    out(MCR, OUT2);
    out(IER, 0);
    out(MCR, 0);
    type("typed while closed\n");
    out(LCR, in(LCR) & ~0x40U);
    clear_fifos();
    in(RX);
    startup();
    set_termios(RDI | RLSI, DTR | RTS | OUT2);
    EXPECT_EQ(take_interrupts(), "typed while closed\n");
}

TEST_F(Linux, EverySizeOfInputArrivesByEdgesAlone) {
    startup();
    set_termios(RDI | RLSI, DTR | RTS | OUT2);
    for (size_t size = 1; size <= 70; ++size) {
        std::string text(size, 'x');
        std::iota(text.begin(), text.end(), '!');
        type(text);
        EXPECT_EQ(take_interrupts(), text);
    }
    EXPECT_EQ(in(IIR), 0xc1);
}

}  // namespace
