#include "monitor/ports/control.hpp"

#include <array>
#include <cstring>
#include <gtest/gtest.h>
#include <optional>
#include <vector>

namespace {

struct End {
    GuestEnd how;
    uint32_t status;
    bool operator==(const End&) const = default;
};

class Control : public testing::Test, protected ControlListener {
protected:
    static constexpr uint8_t kSoftOffType = 5;

    Control() {
        EXPECT_TRUE(bus_.add(0x60, I8042::kPorts, i8042_).ok());
        EXPECT_TRUE(bus_.add(0xf4, ExitPort::kPorts, exit_port_).ok());
        EXPECT_TRUE(bus_.add(0x600, SleepRegisters::kPorts, sleep_).ok());
    }

    void guest_ended(GuestEnd how, uint32_t status) override { ends_.push_back({how, status}); }

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

    std::vector<End> ends_;
    uint8_t status_ = 0;  // of the last command that was answered
    PortBus bus_;
    I8042 i8042_{*this};

private:
    ExitPort exit_port_{*this};
    SleepRegisters sleep_{*this, kSoftOffType};
};

TEST_F(Control, KeyboardControllerResetEndsTheGuest) {
    // native_machine_emergency_restart(): wait for "input buffer empty", then pulse.
    EXPECT_EQ(in(0x64) & 0x02, 0);
    out<uint8_t>(0x64, 0xfe);
    EXPECT_EQ(ends_, (std::vector<End>{{GuestEnd::kReset, 0}}));
}

TEST_F(Control, KeyboardControllerCounts) {
    const I8042Metrics& metrics = i8042_.metrics();
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

TEST_F(Control, OnlyTheCommandPortResets) {
    out<uint8_t>(0x60, 0xfe);
    out<uint8_t>(0x61, 0xfe);
    out<uint16_t>(0x63, 0x00fe);  // 0x63, then 0 to 0x64
    for (unsigned command = 0; command < 0xfe; ++command) out(0x64, static_cast<uint8_t>(command));
    EXPECT_TRUE(ends_.empty());
    out<uint16_t>(0x63, 0xfe00);  // 0 to 0x63, 0xfe to 0x64
    EXPECT_EQ(ends_.size(), 1U);
}

// i8042_init() and i8042_probe() of drivers/input/serio/i8042.c.
TEST_F(Control, LinuxProbesTheKeyboardControllerWithoutATimeout) {
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

TEST_F(Control, KeyboardControllerKeepsParametersApart) {
    out<uint8_t>(0x64, 0x60);
    out<uint8_t>(0x64, 0xad);  // another command: the parameter never came
    out<uint8_t>(0x60, 0x12);
    EXPECT_EQ(i8042_command(0x20), 0x74);
    EXPECT_EQ(i8042_command(0xd2, 0x1c), 0x1c);
    EXPECT_EQ(in(0x62), 0xff);
    EXPECT_EQ(in<uint32_t>(0x60) >> 8, 0xffffffU);
}

TEST_F(Control, ExitPortReportsTheStatus) {
    out<uint32_t>(0xf4, 0x01020304);
    EXPECT_EQ(ends_, (std::vector<End>{{GuestEnd::kExitPort, 0x01020304}}));
}

TEST_F(Control, ExitPortWantsOne32BitWrite) {
    out<uint8_t>(0xf4, 1);
    out<uint16_t>(0xf4, 1);
    out<uint16_t>(0xf6, 1);
    out<uint32_t>(0xf5, 1);
    bus_.out(0xf4, std::array<std::byte, 4>{}, 1);  // rep outsb
    EXPECT_EQ(in<uint32_t>(0xf4), 0xffffffffU);
    EXPECT_TRUE(ends_.empty());
}

TEST_F(Control, SoftOffEndsTheGuest) {
    // acpi_hw_extended_sleep(): clear WAK_STS, read, write SLP_TYP and SLP_EN.
    out<uint8_t>(0x601, 0x80);
    EXPECT_EQ(in(0x601), 0);
    out<uint8_t>(0x600, kSoftOffType << 2 | 0x20);
    EXPECT_EQ(ends_, (std::vector<End>{{GuestEnd::kPowerOff, 0}}));
}

TEST_F(Control, NothingElseIsSoftOff) {
    for (unsigned value = 0; value < 256; ++value) {
        out(0x601, static_cast<uint8_t>(value));
        if ((value & 0x3c) == (kSoftOffType << 2 | 0x20)) continue;
        out(0x600, static_cast<uint8_t>(value));
        EXPECT_EQ(in(0x600), value & 0x1c);  // SLP_EN reads as zero
        EXPECT_EQ(in(0x601), 0);             // nothing ever wakes
    }
    EXPECT_TRUE(ends_.empty());
}

TEST_F(Control, SleepRegistersAreBytes) {
    out<uint16_t>(0x600, 0x8000);
    EXPECT_EQ(in<uint16_t>(0x600), 0);
    EXPECT_TRUE(ends_.empty());
    out<uint16_t>(0x600, 0x8000 | kSoftOffType << 2 | 0x20);
    EXPECT_EQ(ends_.size(), 1U);
}

}  // namespace
