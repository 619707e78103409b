#include "monitor/ports/serial.hpp"

#include <numeric>
#include <utility>

#include "monitor/ports/serial_test_driver.hpp"

namespace {

using namespace uart;

TEST_F(SerialPort, IsIdleAfterReset) {
    EXPECT_EQ(in(IER), 0);
    EXPECT_EQ(in(IIR), kNoInterrupt);
    EXPECT_EQ(in(LCR), 0);
    EXPECT_EQ(in(MCR), 0);
    EXPECT_EQ(in(LSR), THRE | TEMT);
    EXPECT_EQ(in(MSR), 0xb0);
    EXPECT_EQ(in(RX), 0);
    EXPECT_FALSE(interrupted());
}

TEST_F(SerialPort, RemembersWhatDriversReadBack) {
    out(SCR, 0xa5);
    EXPECT_EQ(in(SCR), 0xa5);
    out(IER, 0xff);
    EXPECT_EQ(in(IER), 0x0f);  // bit 6 reading back would make it an XScale
    out(MCR, 0xef);
    EXPECT_EQ(in(MCR), 0x0f);  // bit 7 would make it a 16650
    out(LSR, 0);
    out(MSR, 0xff);
    EXPECT_EQ(in(LSR), THRE | TEMT);
    EXPECT_EQ(in(MSR), 0xb0);
    EXPECT_EQ(in(8), 0xff);
}

TEST_F(SerialPort, DivisorLatchHidesDataAndInterruptEnable) {
    out(IER, RDI);
    out(LCR, DLAB | WLEN8);
    EXPECT_EQ(in(DLL) | in(DLM) << 8, 12);  // probe_baud() divides by it
    out(DLL, 0x01);
    out(DLM, 0x23);
    EXPECT_EQ(in(DLL), 0x01);
    EXPECT_EQ(in(DLM), 0x23);
    out(LCR, WLEN8);
    EXPECT_EQ(in(IER), RDI);
    EXPECT_EQ(in(LCR), WLEN8);
    EXPECT_EQ(console_.text, "");
}

TEST_F(SerialPort, AWideAccessIsConsecutiveRegisters) {
    std::array<std::byte, 4> data{};
    const std::array low = {std::byte{'x'}, std::byte{RDI}, std::byte{FIFO}, std::byte{WLEN8}};
    serial_.out(0, low, 4);
    EXPECT_EQ(console_.text, "x");
    serial_.in(0, data, 4);
    EXPECT_EQ(data, (std::array{std::byte{0}, std::byte{RDI}, std::byte{0xc1}, std::byte{WLEN8}}));
    serial_.out(6, std::array{std::byte{0}, std::byte{0x5a}}, 2);
    EXPECT_EQ(in(SCR), 0x5a);
    std::array<std::byte, 6> strings{};
    serial_.in(2, strings, 2);
    EXPECT_EQ(strings[4], std::byte{0xc1});
    EXPECT_EQ(strings[5], std::byte{WLEN8});
}

TEST_F(SerialPort, TransmitsAtOnceAndStringsInOnePiece) {
    for (const char letter : std::string_view("hello ")) {
        ASSERT_EQ(in(LSR, THRE), THRE);
        out(TX, static_cast<uint8_t>(letter));
    }
    const unsigned before = console_.calls;
    serial_.out(TX, to_bytes("world, all of it"), 1);
    EXPECT_EQ(console_.text, "hello world, all of it");
    EXPECT_EQ(console_.calls, before + 1);
    EXPECT_FALSE(interrupted());
}

TEST_F(SerialPort, TransmitterInterruptComesAndIsAcknowledged) {
    out(IER, THRI);
    EXPECT_TRUE(interrupted());
    EXPECT_EQ(in(IIR), 0x02);
    EXPECT_EQ(in(IIR), kNoInterrupt);
    out(TX, 'a');
    EXPECT_TRUE(interrupted());
    out(TX, 'b');
    EXPECT_FALSE(interrupted()) << "the first edge is not answered yet: another is wasted";
    EXPECT_EQ(in(IIR), 0x02);
    EXPECT_FALSE(interrupted());
    // "Real 16550s should always reassert this interrupt": else UART_BUG_THRE.
    out(IER, 0);
    EXPECT_EQ(in(IIR), kNoInterrupt);
    out(IER, THRI);
    EXPECT_TRUE(interrupted());
    EXPECT_EQ(in(IIR), 0x02);
}

TEST_F(SerialPort, AFullSinkWithholdsTheTransmitter) {
    out(IER, THRI);
    in(IIR);
    interrupted();
    console_.room = false;
    EXPECT_EQ(in(LSR), 0);
    out(TX, 'a');  // a driver that does not look: the sink decides
    EXPECT_EQ(console_.text, "a");
    EXPECT_EQ(in(IIR), kNoInterrupt);
    out(IER, 0);
    out(IER, THRI);
    EXPECT_EQ(in(IIR), kNoInterrupt);
    serial_.transmit_ready();  // too early: it is still full
    EXPECT_FALSE(interrupted());
    console_.room = true;
    EXPECT_EQ(in(LSR), THRE | TEMT);
    serial_.transmit_ready();
    EXPECT_TRUE(interrupted());
    EXPECT_EQ(in(IIR), 0x02);
    serial_.transmit_ready();  // nothing is withheld any more
    EXPECT_FALSE(interrupted());
    EXPECT_EQ(in(IIR), kNoInterrupt);
}

TEST_F(SerialPort, InputWaitsUntilTheGuestIsReady) {
    EXPECT_EQ(type("abc"), 3U);
    EXPECT_EQ(in(LSR, DR), 0);
    EXPECT_EQ(in(RX), 0);
    out(MCR, RTS);
    EXPECT_EQ(poll(), "abc");
    out(MCR, 0);
    EXPECT_EQ(type("def"), 3U);
    EXPECT_EQ(poll(), "");
    EXPECT_FALSE(interrupted());
    out(IER, RDI);
    EXPECT_EQ(take_interrupts(), "def");
    EXPECT_EQ(serial_.receive_room(), Serial::kQueueBytes);
}

TEST_F(SerialPort, AByteBelowTheTriggerLevelTimesOut) {
    set_up_interrupts();
    type("a");
    EXPECT_TRUE(interrupted());
    EXPECT_EQ(in(IIR), 0xcc);
    EXPECT_EQ(in(IIR), 0xcc);  // reading RBR ends it, not reading IIR
    EXPECT_EQ(in(RX), 'a');
    EXPECT_EQ(in(IIR), 0xc1);
    EXPECT_FALSE(interrupted());
}

TEST_F(SerialPort, TriggerLevelsAreTheDataSheets) {
    const std::array<std::pair<unsigned, size_t>, 4> levels = {
        {{0x00, 1}, {0x40, 4}, {0x80, 8}, {0xc0, 14}}};
    set_up_interrupts(FIFO);
    type("0123456789abcdef");
    for (const auto& [fcr, trigger] : levels) {
        out(FCR, FIFO | fcr);
        EXPECT_EQ(in(IIR), 0xc4) << trigger;
    }
    for (size_t level = 16; level > 0; --level) {
        for (const auto& [fcr, trigger] : levels) {
            out(FCR, FIFO | fcr);
            EXPECT_EQ(in(IIR), level >= trigger ? 0xc4 : 0xcc) << level << " of " << trigger;
        }
        in(RX);
    }
    EXPECT_EQ(in(IIR), 0xc1);
}

TEST_F(SerialPort, TheFifoIsSixteenDeepAndOneWithout) {
    out(FCR, FIFO);
    out(IER, RDI);
    type("0123456789abcdefghij");
    out(IER, 0);  // not ready any more; what has arrived has arrived
    EXPECT_EQ(poll(), "0123456789abcdef");
    out(FCR, 0);
    out(IER, RDI);
    EXPECT_EQ(in(IIR), 0x04);
    out(IER, 0);
    EXPECT_EQ(poll(), "g");
    out(MCR, RTS);
    EXPECT_EQ(poll(), "hij");
}

TEST_F(SerialPort, ResettingTheFifoLosesNothing) {
    set_up_interrupts(FIFO | 0xc0);
    type("0123456789abcdefghij");
    EXPECT_EQ(in(RX), '0');
    for (const uint8_t fcr :
         std::array<uint8_t, 4>{FIFO | CLEAR_RX | CLEAR_TX, 0, FIFO, FIFO | CLEAR_RX | 0x80}) {
        interrupted();
        out(FCR, fcr);
        EXPECT_TRUE(interrupted()) << "bytes arrived anew";
    }
    interrupted();
    out(FCR, CLEAR_RX | FIFO);
    EXPECT_EQ(take_interrupts(), "123456789abcdefghij");
}

TEST_F(SerialPort, ABlindReadAfterAResetTakesNothing) {
    out(MCR, RTS);
    out(FCR, FIFO);
    type("abc");
    EXPECT_EQ(in(LSR, DR), DR);  // a console driver waits for THRE, and does not care for this
    out(FCR, FIFO | CLEAR_RX);
    out(FCR, 0);
    EXPECT_EQ(in(RX), 0);
    EXPECT_EQ(in(RX), 0);
    EXPECT_EQ(poll(), "abc");
}

TEST_F(SerialPort, ACauseBesideAnotherHasAnEdgeOfItsOwn) {
    set_up_interrupts();
    out(IER, RDI | THRI);
    EXPECT_TRUE(interrupted());
    type("a");
    EXPECT_TRUE(interrupted());
    EXPECT_EQ(in(IIR), 0xcc);
    type("b");
    EXPECT_TRUE(interrupted()) << "another byte, though the cause was there";
    EXPECT_EQ(in(RX), 'a');
    EXPECT_FALSE(interrupted());
    out(IER, RDI);
    out(IER, RDI | THRI);
    EXPECT_TRUE(interrupted()) << "the transmitter, beside what was received";
}

TEST_F(SerialPort, ARefilledFifoHasAnEdgeOfItsOwn) {
    set_up_interrupts();
    type("0123456789abcdefghij");
    for (int i = 0; i < 15; ++i) in(RX);
    EXPECT_TRUE(interrupted());
    EXPECT_EQ(in(RX), 'f');
    EXPECT_TRUE(interrupted());
    EXPECT_EQ(in(IIR), 0xcc);
    EXPECT_EQ(poll(), "ghij");
}

TEST_F(SerialPort, TheQueueWrapsAround) {
    out(MCR, RTS);
    std::string text(3000, ' ');
    for (int round = 0; round < 5; ++round) {
        std::iota(text.begin(), text.end(), static_cast<char>(round));
        EXPECT_EQ(type(text), text.size());
        EXPECT_EQ(poll(), text);
    }
}

TEST_F(SerialPort, StringInputReadsOnAcrossFifos) {
    out(FCR, FIFO);
    out(MCR, RTS);
    std::string text(100, ' ');
    std::iota(text.begin(), text.end(), ' ');
    type(text);
    ASSERT_EQ(in(LSR, DR), DR);
    std::vector<std::byte> data(100);
    serial_.in(RX, data, 1);
    EXPECT_EQ(data, to_bytes(text));
}

TEST_F(SerialPort, RefusesWhatDoesNotFitAndTellsWhenThereIsRoom) {
    const std::string text(Serial::kQueueBytes + 10, 'x');
    EXPECT_EQ(type(text), Serial::kQueueBytes);
    EXPECT_EQ(serial_.receive_room(), 0U);
    EXPECT_EQ(type("y"), 0U);
    out(MCR, RTS);
    out(FCR, FIFO);
    size_t read = 0;
    while (!room_.drain()) {
        ASSERT_EQ(in(LSR, DR), DR) << "all was read, and still no word of the room";
        in(RX);
        ++read;
    }
    EXPECT_EQ(serial_.receive_room(), read);
    EXPECT_EQ(type(text), read);
    EXPECT_EQ(poll().size(), Serial::kQueueBytes);
    EXPECT_TRUE(room_.drain());
    EXPECT_EQ(type("z"), 1U);
    EXPECT_EQ(poll(), "z");
    EXPECT_FALSE(room_.drain()) << "nothing was refused since";
}

TEST_F(SerialPort, InterruptsComeInOrderOfPriority) {
    out(FCR, FIFO);
    out(MCR, LOOP);
    for (int i = 0; i < 17; ++i) out(TX, 'x');
    out(MCR, LOOP | RTS);
    out(IER, RDI | THRI | RLSI | MSI);
    EXPECT_TRUE(interrupted());
    EXPECT_EQ(in(IIR), 0xc6);
    EXPECT_EQ(in(LSR), DR | OE | THRE | TEMT);
    EXPECT_EQ(in(IIR), 0xc4);
    EXPECT_EQ(poll().size(), 16U);
    EXPECT_EQ(in(IIR), 0xc2);
    EXPECT_EQ(in(IIR), 0xc0);
    EXPECT_EQ(in(MSR, 0x0f), 0x0b);  // DCD and DSR fell when the loop closed; CTS again rose
    EXPECT_EQ(in(IIR), 0xc1);
}

TEST_F(SerialPort, LoopbackWiresTheModemLines) {
    out(MCR, LOOP);
    in(MSR);
    EXPECT_EQ(in(MSR), 0x00);
    const std::array<std::array<unsigned, 3>, 4> wires = {
        {{DTR, 0x20, 0x02}, {RTS, 0x10, 0x01}, {OUT1, 0x40, 0x00}, {OUT2, 0x80, 0x08}}};
    for (const auto& [output, input, delta] : wires) {
        out(MCR, LOOP | output);
        EXPECT_EQ(in(MSR), input | delta);
        EXPECT_EQ(in(MSR), input);
        out(MCR, LOOP);
        EXPECT_EQ(in(MSR), output == OUT1 ? 0x04 : delta);  // RI counts when it ends
    }
    out(MCR, 0);
    EXPECT_EQ(in(MSR), 0xbb);
    EXPECT_EQ(in(MSR), 0xb0);
}

TEST_F(SerialPort, LoopbackStaysInsideAndKeepsInputWaiting) {
    set_up_interrupts();
    type("far");
    console_.room = false;  // of no concern to a loop
    out(MCR, LOOP | RTS);
    EXPECT_EQ(in(LSR), THRE | TEMT);
    serial_.out(TX, to_bytes("near"), 1);
    type(" end");
    EXPECT_EQ(poll(), "near");
    EXPECT_EQ(console_.text, "");
    out(TX, '!');
    out(MCR, RTS);
    EXPECT_EQ(poll(), "!far end");
}

TEST_F(SerialPort, CountsBytes) {
    using namespace uart;
    const SerialMetrics& metrics = serial_.metrics();
    out(MCR, DTR | RTS);
    serial_.out(TX, to_bytes("hello"), 1);
    out(TX, '!');
    EXPECT_EQ(metrics.write_count.value(), 6U);
    type("abc");
    EXPECT_EQ(poll(), "abc");
    EXPECT_EQ(metrics.read_count.value(), 3U);
    EXPECT_EQ(metrics.missed_read_count.value(), 0U);
    in(RX);
    EXPECT_EQ(metrics.missed_read_count.value(), 1U);
    EXPECT_EQ(metrics.read_count.value(), 3U);
    out(LCR, DLAB);
    out(DLL, 1);
    EXPECT_EQ(metrics.write_count.value(), 6U);
    out(LCR, 0);
    out(MCR, LOOP);
    out(TX, 'x');
    EXPECT_EQ(metrics.error_count.value(), 0U);
    out(TX, 'y');
    EXPECT_EQ(metrics.error_count.value(), 1U);
}

TEST_F(SerialPort, LoopbackOverrunsAsTheDataSheetSays) {
    out(MCR, LOOP);
    out(FCR, FIFO);
    serial_.out(TX, to_bytes("0123456789abcdefg"), 1);
    EXPECT_EQ(in(LSR, OE), OE);
    EXPECT_EQ(in(LSR, OE), 0);
    EXPECT_EQ(poll(), "0123456789abcdef");
    out(FCR, 0);
    serial_.out(TX, to_bytes("ab"), 1);
    EXPECT_EQ(in(LSR, OE), OE);
    EXPECT_EQ(poll(), "b");
}

}  // namespace
