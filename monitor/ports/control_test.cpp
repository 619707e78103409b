#include "monitor/ports/control.hpp"

#include <array>
#include <cstring>
#include <gtest/gtest.h>
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
        EXPECT_TRUE(bus_.add(0xf4, ExitPort::kPorts, exit_port_).ok());
        EXPECT_TRUE(bus_.add(0x600, SleepRegisters::kPorts, sleep_).ok());
        EXPECT_TRUE(bus_.add(0xcf9, ResetPort::kPorts, reset_).ok());
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

    std::vector<End> ends_;
    PortBus bus_;

private:
    ExitPort exit_port_{*this};
    ResetPort reset_{*this};
    SleepRegisters sleep_{*this, kSoftOffType};
};

// As Linux's reboot=p does it: which kind of reset, and then the reset.
TEST_F(Control, ResetPortResetsByBitTwo) {
    EXPECT_EQ(in<>(0xcf9), 0);
    out<uint8_t>(0xcf9, 0x02);
    out<uint8_t>(0xcf9, 0xfb);
    out<uint32_t>(0xcf8, 0x80000400);  // PCI's configuration address, which lies around it
    out<uint16_t>(0xcf9, 0x0404);
    EXPECT_TRUE(ends_.empty());
    out<uint8_t>(0xcf9, 0x06);
    EXPECT_EQ(ends_, (std::vector<End>{{GuestEnd::kReset, 0}}));
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

TEST_F(Control, TheSleepTypeInPlaceIsKept) {
    SleepRegisters before(*this, kSoftOffType);
    EXPECT_EQ(before.save(), SleepRegistersState{});
    before.out(0, std::array{std::byte{kSoftOffType << 2}}, 1);
    const SleepRegistersState state = before.save();
    EXPECT_TRUE(SleepRegisters::check(state).ok());
    SleepRegisters after(*this, kSoftOffType, state);
    std::array<std::byte, 1> value{};
    after.in(0, value, 1);
    EXPECT_EQ(value[0], std::byte{kSoftOffType << 2});
    EXPECT_TRUE(ends_.empty());
    EXPECT_FALSE(SleepRegisters::check({.sleep_type = 0x20}).ok());
    EXPECT_FALSE(SleepRegisters::check({.sleep_type = 0x01}).ok());
}

}  // namespace
