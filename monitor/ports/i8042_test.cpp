#include "monitor/ports/i8042.hpp"

#include <array>
#include <cstring>
#include <gtest/gtest.h>
#include <optional>
#include <vector>

namespace {

class I8042Test : public testing::Test, protected ControlListener {
protected:
    explicit I8042Test(const EventFd* interrupt = nullptr)
        : interrupt_(interrupt), i8042_(std::in_place, listener(), interrupt) {
        EXPECT_TRUE(bus_.add(0x60, I8042::kPorts, *i8042_).ok());
    }

    // From now on it is the controller of a VM that was created from what this one saved.
    void restore() {
        const I8042State state = i8042_->save();
        EXPECT_TRUE(I8042::check(state, interrupt_ != nullptr).ok());
        i8042_.emplace(listener(), interrupt_, state);
        EXPECT_EQ(i8042_->save(), state);
        if (interrupt_ != nullptr) interrupt_->drain();  // those before are lost
        i8042_->repeat_interrupt();
    }

    ControlListener& listener() { return *this; }
    void guest_ended(GuestEnd how, uint32_t /*status*/) override { ends_.push_back(how); }

    template <typename T>
    void out(uint16_t port, T value) {
        std::array<std::byte, sizeof(T)> data{};
        std::memcpy(data.data(), &value, sizeof(T));
        bus_.out(port, data, sizeof(T));
    }
    template <typename T = uint8_t>
    T in(uint16_t port) {
        std::array<std::byte, sizeof(T)> data{};
        bus_.in(port, data, sizeof(T));
        T value = 0;
        std::memcpy(&value, data.data(), sizeof(T));
        return value;
    }

    // One command of Linux's i8042 driver, as i8042_command() issues it, but with no patience: a
    // controller that is not ready at once costs it up to half a second.
    std::optional<uint8_t> i8042_command(uint8_t command, std::optional<uint8_t> parameter = {},
                                         bool answers = true) {
        if (in(0x64) & 0x02) return {};
        out(0x64, command);
        if (parameter.has_value()) {
            if (in(0x64) & 0x02) return {};
            out(0x60, *parameter);
        }
        if (!answers) return uint8_t{0};
        status_ = in(0x64);
        if ((status_ & 0x01) == 0) return {};
        return in(0x60);
    }

    std::vector<GuestEnd> ends_;
    uint8_t status_ = 0;  // of the last command that was answered
    PortBus bus_;
    const EventFd* interrupt_;
    std::optional<I8042> i8042_;
};

TEST_F(I8042Test, ResetEndsTheGuest) {
    // native_machine_emergency_restart(): wait for "input buffer empty", then pulse.
    EXPECT_EQ(in(0x64) & 0x02, 0);
    out<uint8_t>(0x64, 0xfe);
    EXPECT_EQ(ends_, std::vector{GuestEnd::kReset});
}

TEST_F(I8042Test, Counts) {
    const I8042Metrics& metrics = i8042_->metrics();
    in(0x64);
    in(0x60);
    EXPECT_EQ(metrics.read_count.value(), 2U);
    in(0x61);
    EXPECT_EQ(metrics.missed_read_count.value(), 1U);
    out<uint8_t>(0x64, 0x60);
    out<uint8_t>(0x60, 0x70);
    EXPECT_EQ(metrics.write_count.value(), 2U);
    EXPECT_EQ(metrics.missed_write_count.value(), 0U);
    out<uint8_t>(0x64, 0x99);
    out<uint8_t>(0x60, 0x99);
    EXPECT_EQ(metrics.write_count.value(), 4U);
    EXPECT_EQ(metrics.missed_write_count.value(), 2U);
    out<uint8_t>(0x64, 0xfe);
    EXPECT_EQ(metrics.reset_count.value(), 1U);
}

TEST_F(I8042Test, OnlyTheCommandPortResets) {
    out<uint8_t>(0x60, 0xfe);
    out<uint8_t>(0x61, 0xfe);
    out<uint16_t>(0x63, 0x00fe);  // 0x63, then 0 to 0x64
    for (unsigned command = 0; command < 0xfe; ++command) out(0x64, static_cast<uint8_t>(command));
    EXPECT_TRUE(ends_.empty());
    out<uint16_t>(0x63, 0xfe00);  // 0 to 0x63, 0xfe to 0x64
    EXPECT_EQ(ends_.size(), 1U);
}

// i8042_init() and i8042_probe() of drivers/input/serio/i8042.c.
TEST_F(I8042Test, LinuxProbesWithoutATimeout) {
    EXPECT_EQ(in(0x64) & 0x01, 0);             // i8042_flush(): nothing to drain
    EXPECT_EQ(i8042_command(0xaa), 0x55);      // self-test, with i8042.reset
    const auto initial = i8042_command(0x20);  // i8042_controller_init()
    ASSERT_TRUE(initial.has_value());
    EXPECT_EQ(in(0x64) & 0x10, 0x10);  // else "Keylock active"
    EXPECT_EQ(*initial & 0x40, 0x40);  // translation, else it assumes a "direct" keyboard
    EXPECT_TRUE(i8042_command(0x60, 0x70, false).has_value());
    EXPECT_EQ(i8042_command(0x20), 0x70);
    // i8042_check_aux(): the loop command answers, and not from the auxiliary interface; then the
    // interface test finds a stuck line. So there is no mouse.
    EXPECT_TRUE(i8042_command(0xd3, 0x5a).has_value());
    EXPECT_EQ(status_ & 0x20, 0);
    EXPECT_EQ(i8042_command(0xa9), 0x01);
    // i8042_enable_kbd_port(), a command to the absent keyboard, i8042_controller_reset().
    EXPECT_TRUE(i8042_command(0x60, 0x61, false).has_value());
    out<uint8_t>(0x60, 0xf2);
    EXPECT_EQ(in(0x64) & 0x03, 0);
    EXPECT_TRUE(i8042_command(0x60, initial, false).has_value());
    EXPECT_EQ(i8042_command(0x20), initial);
    EXPECT_TRUE(ends_.empty());
}

TEST_F(I8042Test, KeepsParametersApart) {
    out<uint8_t>(0x64, 0x60);
    out<uint8_t>(0x64, 0xad);  // another command: the parameter never came
    out<uint8_t>(0x60, 0x12);
    EXPECT_EQ(i8042_command(0x20), 0x74);
    EXPECT_EQ(i8042_command(0xd2, 0x1c), 0x1c);
    EXPECT_EQ(in(0x62), 0xff);
    EXPECT_EQ(in<uint32_t>(0x60) >> 8, 0xffffffU);
}

TEST_F(I8042Test, WithoutAKeyboardNothingIsPressed) {
    EXPECT_FALSE(i8042_->press_ctrl_alt_del().ok());
    EXPECT_EQ(in(0x64) & 0x01, 0);
    EXPECT_EQ(i8042_command(0xab), 0x01);
}

struct Interrupt {
    EventFd interrupt = EventFd::create().value();
};

// The driver's part is that of Linux, drivers/input/serio/i8042.c: one byte for each interrupt.
class KeyboardTest : private Interrupt, public I8042Test {
protected:
    using Bytes = std::vector<unsigned>;

    KeyboardTest() : I8042Test(&interrupt) {}

    bool interrupted() const { return interrupt.drain(); }

    Bytes typed() {
        Bytes bytes;
        while (interrupted())
            if ((in(0x64) & 0x01) != 0) bytes.push_back(in(0x60));
        return bytes;
    }

    // A command to the keyboard, and what it answers.
    Bytes ask(uint8_t command) {
        out(0x60, command);
        return typed();
    }

    void configure(uint8_t value) {
        out<uint8_t>(0x64, 0x60);
        out(0x60, value);
    }

    static inline const Bytes kTranslated{0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d};
    static inline const Bytes kDirect{0x14, 0x11, 0xe0, 0x71, 0xe0, 0xf0,
                                      0x71, 0xf0, 0x11, 0xf0, 0x14};
};

TEST_F(KeyboardTest, TypesCtrlAltDel) {
    EXPECT_TRUE(i8042_->press_ctrl_alt_del().ok());
    EXPECT_EQ(typed(), kTranslated);
    EXPECT_EQ(in(0x64) & 0x01, 0);
    EXPECT_EQ(in(0x60), 0x9d);  // a byte that was read is still there to read
    EXPECT_FALSE(interrupted());
    EXPECT_TRUE(i8042_->press_ctrl_alt_del().ok());
    EXPECT_EQ(typed(), kTranslated);
}

TEST_F(KeyboardTest, TypesSet2WithoutTranslation) {
    configure(0x21);
    EXPECT_TRUE(i8042_->press_ctrl_alt_del().ok());
    EXPECT_EQ(typed(), kDirect);
}

TEST_F(KeyboardTest, FourStrokesWaitForTheGuest) {
    configure(0x21);
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(i8042_->press_ctrl_alt_del().ok());
    EXPECT_FALSE(i8042_->press_ctrl_alt_del().ok());
    EXPECT_EQ(in(0x60), kDirect.front());
    EXPECT_FALSE(i8042_->press_ctrl_alt_del().ok());
    for (size_t i = 1; i < kDirect.size(); ++i) EXPECT_EQ(in(0x60), kDirect[i]);
    EXPECT_TRUE(i8042_->press_ctrl_alt_del().ok());
    Bytes four;
    for (int i = 0; i < 4; ++i) four.insert(four.end(), kDirect.begin(), kDirect.end());
    EXPECT_EQ(typed(), four);
    EXPECT_EQ(in(0x64) & 0x01, 0);
    EXPECT_TRUE(i8042_->press_ctrl_alt_del().ok());
}

TEST_F(KeyboardTest, InterruptsOnlyWhenAllowed) {
    configure(0x60);
    EXPECT_TRUE(i8042_->press_ctrl_alt_del().ok());
    EXPECT_FALSE(interrupted());
    EXPECT_EQ(in(0x64) & 0x01, 1);  // a driver may poll
    configure(0x61);
    EXPECT_EQ(typed(), kTranslated);
}

// Linux switches the keyboard off while it sets up, and asks the controller meanwhile.
TEST_F(KeyboardTest, KeysWaitForTheInterfaceAndForAnswers) {
    configure(0x71);
    EXPECT_TRUE(i8042_->press_ctrl_alt_del().ok());
    EXPECT_FALSE(interrupted());
    EXPECT_EQ(in(0x64) & 0x01, 0);
    EXPECT_EQ(i8042_command(0x20), 0x71);
    out<uint8_t>(0x64, 0xae);
    EXPECT_EQ(i8042_command(0x20), 0x61);
    EXPECT_EQ(ask(0xed).front(), 0xfaU);
    out<uint8_t>(0x64, 0xad);
    EXPECT_EQ(i8042_command(0x20), 0x71);
    EXPECT_EQ(in(0x64) & 0x01, 0);
}

// atkbd_probe() and atkbd_activate() of drivers/input/keyboard/atkbd.c.
TEST_F(KeyboardTest, AnswersTheDriver) {
    EXPECT_EQ(i8042_command(0xab), 0x00);
    EXPECT_EQ(ask(0xff), (Bytes{0xfa, 0xaa}));
    EXPECT_EQ(ask(0xf2), (Bytes{0xfa, 0xab, 0x41}));
    EXPECT_EQ(ask(0xed), Bytes{0xfa});
    EXPECT_EQ(ask(0x00), Bytes{0xfa});
    EXPECT_EQ(ask(0xf4), Bytes{0xfa});
    EXPECT_EQ(ask(0xee), Bytes{0xee});
    configure(0x21);
    EXPECT_EQ(ask(0xf2), (Bytes{0xfa, 0xab, 0x83}));
    // The last command alone is answered.
    out<uint8_t>(0x60, 0xf2);
    out<uint8_t>(0x60, 0xf4);
    EXPECT_EQ(typed(), Bytes{0xfa});
}

TEST_F(KeyboardTest, HasNoMouse) {
    EXPECT_TRUE(i8042_command(0xd3, 0x5a).has_value());
    EXPECT_EQ(status_ & 0x20, 0);
    EXPECT_EQ(i8042_command(0xa9), 0x01);
    out<uint8_t>(0x64, 0xd4);  // what is for it is answered by nobody
    out<uint8_t>(0x60, 0xf4);
    EXPECT_EQ(in(0x64) & 0x01, 0);
}

TEST_F(KeyboardTest, KeysAndAnswersThatWaitAreKept) {
    configure(0x20);
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(i8042_->press_ctrl_alt_del().ok());
    EXPECT_EQ(in(0x60), kDirect[0]);
    out<uint8_t>(0x60, 0xf2);
    EXPECT_EQ(in(0x60), 0xfa);
    restore();
    EXPECT_FALSE(interrupted()) << "the guest wants none";
    EXPECT_FALSE(i8042_->press_ctrl_alt_del().ok());
    EXPECT_EQ(in(0x60), 0xab);
    restore();
    EXPECT_EQ(in(0x60), 0x83);
    for (size_t i = 1; i < kDirect.size(); ++i) EXPECT_EQ(in(0x60), kDirect[i]);
    restore();
    EXPECT_EQ(in(0x64) & 0x01, 1);
    EXPECT_TRUE(i8042_->press_ctrl_alt_del().ok());
    configure(0x21);
    restore();
    Bytes four;
    for (int i = 0; i < 4; ++i) four.insert(four.end(), kDirect.begin(), kDirect.end());
    EXPECT_EQ(typed(), four);
    restore();
    EXPECT_FALSE(interrupted());
    EXPECT_EQ(in(0x60), kDirect.back()) << "what was read is still there to read";
}

TEST_F(KeyboardTest, AnInterruptThatIsNotAnsweredComesAgain) {
    EXPECT_TRUE(i8042_->press_ctrl_alt_del().ok());
    restore();
    EXPECT_EQ(typed(), kTranslated);
}

TEST_F(KeyboardTest, ACommandKeepsWaitingForItsParameter) {
    out<uint8_t>(0x64, 0x60);
    restore();
    out<uint8_t>(0x60, 0x21);
    restore();
    EXPECT_EQ(i8042_command(0x20), 0x21);
    out<uint8_t>(0x64, 0xd2);
    restore();
    out<uint8_t>(0x60, 0x1c);
    restore();
    EXPECT_EQ(in(0x60), 0x1c);
}

TEST_F(I8042Test, RefusesAStateThatItCannotBeIn) {
    const auto refusal = [](const I8042State& state, bool has_keyboard) {
        const Result<> fits = I8042::check(state, has_keyboard);
        return fits.ok() ? std::string_view() : fits.error().what;
    };
    EXPECT_EQ(refusal({}, false), "");
    I8042State state{.configuration = 0xff,
                     .answer = {1, 2, 3},
                     .keys = std::vector<uint8_t>(44, 1),
                     .output = 1,
                     .awaiting_parameter = 0xd4};
    EXPECT_EQ(refusal(state, true), "");
    EXPECT_EQ(refusal(state, false), "i8042: bytes of keys");
    state.keys.push_back(1);
    EXPECT_EQ(refusal(state, true), "i8042: bytes of keys");
    state.keys.clear();
    state.answer.push_back(4);
    EXPECT_EQ(refusal(state, false), "i8042: bytes of an answer");
    state.answer.clear();
    state.awaiting_parameter = 0xfe;
    EXPECT_EQ(refusal(state, false), "i8042: command");
}

TEST_F(KeyboardTest, StillResets) {
    EXPECT_TRUE(i8042_->press_ctrl_alt_del().ok());
    out<uint8_t>(0x64, 0xfe);
    EXPECT_EQ(ends_, std::vector{GuestEnd::kReset});
}

}  // namespace
