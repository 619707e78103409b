// A port that is saved and goes on as another one: whatever the guest was about.
#include <functional>

#include "monitor/ports/serial_test_driver.hpp"

namespace {

using namespace uart;

// The port in the VM that is created from what `port` saved, when it runs.
struct Restored : Port {
    explicit Restored(const Port& port) : Port(port.serial_.save()) {
        EXPECT_TRUE(Serial::check(port.serial_.save()).ok());
        EXPECT_EQ(serial_.save(), port.serial_.save());
        EXPECT_FALSE(interrupted()) << "KVM is not there yet";
        serial_.repeat_interrupt();
    }
};

TEST_F(SerialPort, IsAsAfterResetInTheStateOfNone) {
    const SerialState state = serial_.save();
    EXPECT_EQ(state, SerialState{});
    EXPECT_TRUE(Serial::check(state).ok());
    serial_.repeat_interrupt();
    EXPECT_FALSE(interrupted());
}

TEST_F(SerialPort, RegistersAreKept) {
    out(SCR, 0xa5);
    out(IER, RLSI | MSI);
    out(FCR, FIFO | 0xc0);
    out(MCR, DTR | OUT1 | OUT2);
    out(LCR, DLAB | WLEN8);
    out(DLL, 0x01);
    out(DLM, 0x23);
    Restored after(*this);
    EXPECT_EQ(after.in(DLL), 0x01);
    EXPECT_EQ(after.in(DLM), 0x23);
    EXPECT_EQ(after.in(LCR), DLAB | WLEN8);
    after.out(LCR, WLEN8);
    EXPECT_EQ(after.in(IER), RLSI | MSI);
    EXPECT_EQ(after.in(MCR), DTR | OUT1 | OUT2);
    EXPECT_EQ(after.in(SCR), 0xa5);
    EXPECT_EQ(after.in(IIR), 0xc1);
    after.out(IER, RDI);
    after.type("0123456789abc");
    EXPECT_EQ(after.in(IIR), 0xcc);
    after.type("d");
    EXPECT_EQ(after.in(IIR), 0xc4) << "the trigger level";
}

TEST_F(SerialPort, TheDivisorLatchStaysOpenBetweenItsTwoHalves) {
    out(LCR, DLAB);
    out(DLL, 0x34);
    Restored after(*this);
    after.out(DLM, 0x12);
    EXPECT_EQ(after.in(DLL), 0x34);
    EXPECT_EQ(after.in(DLM), 0x12);
    EXPECT_EQ(after.console_.text, "");
}

TEST_F(SerialPort, InputGoesOnFromTheMiddleOfTheFifo) {
    set_up_interrupts();
    type("0123456789abcdefghij");
    std::string text;
    for (int i = 0; i < 5; ++i) text += static_cast<char>(in(RX));
    Restored after(*this);
    after.type("klm");
    EXPECT_EQ(text + after.take_interrupts(), "0123456789abcdefghijklm");
    EXPECT_EQ(after.serial_.receive_room(), Serial::kQueueBytes);
    // Where the VM was saved it goes on as well.
    EXPECT_EQ(take_interrupts(), "56789abcdefghij");
}

// The FIFO takes sixteen bytes and no more arrive until it is empty, in either VM.
TEST_F(SerialPort, HowManyBytesHaveArrivedIsKept) {
    out(FCR, FIFO);
    out(IER, RDI);
    type("0123456789abcdefghij");
    out(IER, 0);
    for (int i = 0; i < 10; ++i) in(RX);
    Restored after(*this);
    EXPECT_EQ(after.poll(), "abcdef");
    after.out(MCR, RTS);
    EXPECT_EQ(after.poll(), "ghij");
}

TEST_F(SerialPort, AQueueThatWrapsAroundIsKeptInOrder) {
    out(MCR, RTS);
    type(std::string(3000, 'x'));
    EXPECT_EQ(poll().size(), 3000U);
    std::string text(Serial::kQueueBytes, ' ');
    for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 31 + (i >> 8));
    ASSERT_EQ(type(text), text.size());
    Restored after(*this);
    EXPECT_EQ(after.serial_.receive_room(), 0U);
    EXPECT_EQ(after.type("y"), 0U);
    EXPECT_EQ(after.poll(), text);
    EXPECT_TRUE(after.room_.drain()) << "bytes were refused";
}

TEST_F(SerialPort, LoopbackKeepsItsBytesAndItsOverrun) {
    set_up_interrupts();
    type("far");
    out(MCR, LOOP | RTS);
    serial_.out(TX, to_bytes("0123456789abcdefg"), 1);
    EXPECT_EQ(in(RX), '0');
    Restored after(*this);
    EXPECT_TRUE(after.interrupted());
    EXPECT_EQ(after.in(IIR), 0xc6);
    EXPECT_EQ(after.in(LSR, OE), OE);
    EXPECT_EQ(after.poll(), "123456789abcdef");
    after.out(TX, '!');
    after.out(MCR, RTS);
    EXPECT_EQ(after.poll(), "!far");
    EXPECT_EQ(after.console_.text, "");
}

TEST_F(SerialPort, BytesOfALoopThatIsOpenAgainStayInFront) {
    out(FCR, FIFO);
    out(MCR, LOOP | RTS);
    serial_.out(TX, to_bytes("near "), 1);
    out(MCR, RTS);
    out(IER, RDI);
    type("far, and more than fits");
    Restored after(*this);
    EXPECT_EQ(after.take_interrupts(), "near far, and more than fits");
}

TEST_F(SerialPort, ChangesOfModemLinesAreTold) {
    out(MCR, LOOP | RTS);
    in(MSR);
    out(MCR, LOOP | DTR);
    out(IER, MSI);
    Restored after(*this);
    EXPECT_TRUE(after.interrupted());
    EXPECT_EQ(after.in(IIR), 0x00);
    EXPECT_EQ(after.in(MSR), 0x23);
    EXPECT_EQ(after.in(MSR), 0x20);
}

TEST_F(SerialPort, ATransmitterInterruptThatIsNotAnsweredComesAgain) {
    out(IER, THRI);
    Restored unanswered(*this);
    EXPECT_TRUE(unanswered.interrupted());
    EXPECT_EQ(unanswered.in(IIR), 0x02);
    EXPECT_FALSE(unanswered.interrupted());
    EXPECT_EQ(in(IIR), 0x02);
    Restored answered(*this);
    EXPECT_FALSE(answered.interrupted());
    EXPECT_EQ(answered.in(IIR), kNoInterrupt);
    answered.out(TX, 'x');
    EXPECT_TRUE(answered.interrupted());
    EXPECT_EQ(answered.console_.text, "x");
}

TEST_F(SerialPort, NoInterruptComesThatTheGuestDoesNotWant) {
    out(IER, THRI);
    out(IER, 0);
    type("abc");
    Restored after(*this);
    EXPECT_FALSE(after.interrupted());
    EXPECT_EQ(after.in(IIR), kNoInterrupt);
}

// What waits for a slow reader waits where the VM was saved.
TEST_F(SerialPort, ATransmitterThatIsWithheldIsEmptyInTheRestoredVm) {
    out(IER, THRI);
    in(IIR);
    console_.room = false;
    out(TX, 'a');
    EXPECT_EQ(in(IIR), kNoInterrupt);
    Restored after(*this);
    EXPECT_TRUE(after.interrupted());
    EXPECT_EQ(after.in(IIR), 0x02);
    EXPECT_EQ(after.in(LSR), THRE | TEMT);
    after.out(TX, 'b');
    EXPECT_EQ(console_.text + after.console_.text, "ab");
}

// KVM forgets an edge that comes before its own state has been restored.
TEST_F(SerialPort, AnInterruptIsRepeatedAsOftenAsIsAskedFor) {
    set_up_interrupts();
    type("a");
    EXPECT_TRUE(interrupted());
    for (int i = 0; i < 2; ++i) {
        serial_.repeat_interrupt();
        EXPECT_TRUE(interrupted());
    }
    EXPECT_EQ(in(RX), 'a');
    serial_.repeat_interrupt();
    EXPECT_FALSE(interrupted());
}

TEST(SerialStateCheck, RefusesWhatNoPortCanBeIn) {
    struct Case {
        std::string_view field;
        std::function<void(SerialState&)> spoil;
    };
    const std::array<Case, 11> cases = {{
        {"IER", [](SerialState& state) { state.interrupt_enable = 0x10; }},
        {"MCR", [](SerialState& state) { state.modem_control = 0x20; }},
        {"changes in MSR", [](SerialState& state) { state.modem_status_changes = 0x10; }},
        {"trigger level", [](SerialState& state) { state.trigger_bytes = 2; }},
        {"trigger level", [](SerialState& state) { state.trigger_bytes = 0; }},
        {"trigger level", [](SerialState& state) { state.fifo_enabled = false; }},
        {"bytes of loopback", [](SerialState& state) { state.loopback.resize(17); }},
        {"bytes of input", [](SerialState& state) { state.queue.resize(4097); }},
        {"bytes that have arrived", [](SerialState& state) { state.arrived = 17; }},
        {"bytes that have arrived", [](SerialState& state) { state.queue.resize(3); }},
        {"bytes that have arrived", [](SerialState& state) { state.modem_control |= LOOP; }},
    }};
    SerialState sound;
    sound.fifo_enabled = true;
    sound.trigger_bytes = 14;
    sound.loopback.resize(12);
    sound.queue.resize(4096);
    sound.arrived = 4;
    ASSERT_TRUE(Serial::check(sound).ok());
    for (const Case& it : cases) {
        SerialState state = sound;
        it.spoil(state);
        const Result<> fits = Serial::check(state);
        ASSERT_FALSE(fits.ok()) << it.field;
        EXPECT_EQ(std::string_view(fits.error().what), "serial port: " + std::string(it.field));
    }
}

TEST(SerialStateCheck, WithoutAFifoThereIsRoomForOneByte) {
    SerialState state;
    state.queue.resize(2);
    state.arrived = 1;
    EXPECT_TRUE(Serial::check(state).ok());
    state.arrived = 2;
    EXPECT_FALSE(Serial::check(state).ok());
    state.arrived = 1;
    state.loopback.resize(1);
    EXPECT_FALSE(Serial::check(state).ok());
    state.arrived = 0;
    EXPECT_TRUE(Serial::check(state).ok());
    state.loopback.resize(2);
    EXPECT_FALSE(Serial::check(state).ok());
}

}  // namespace
