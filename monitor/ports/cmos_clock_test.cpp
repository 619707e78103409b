#include "monitor/ports/cmos_clock.hpp"

#include <array>
#include <gtest/gtest.h>
#include <map>
#include <optional>

namespace {

time_t& current_time() {
    static time_t time = 0;
    return time;
}

class Cmos : public testing::Test {
protected:
    Cmos() { EXPECT_TRUE(bus_.add(0x70, CmosClock::kPorts, *clock_).ok()); }

    void out(uint16_t port, std::initializer_list<uint8_t> bytes, unsigned width = 1) {
        bus_.out(port, std::as_bytes(std::span(bytes.begin(), bytes.size())), width);
    }
    uint8_t read(uint8_t index) {
        out(0x70, {index});
        std::byte value{};
        in(0x71, value);
        return static_cast<uint8_t>(value);
    }
    void in(uint16_t port, std::byte& value) { bus_.in(port, std::span(&value, 1), 1); }
    // Seconds first, as Linux does it.
    std::array<uint8_t, 8> read_all() {
        std::array<uint8_t, 8> all{};
        size_t at = 0;
        for (const uint8_t index : std::array<uint8_t, 8>{0, 2, 4, 6, 7, 8, 9, 0x32})
            all[at++] = read(index);
        return all;
    }

    // From now on it is the clock of a VM that was created from what this one saved.
    void restore() {
        const CmosClockState state = clock_->save();
        EXPECT_TRUE(CmosClock::check(state).ok());
        clock_.emplace([] { return current_time(); }, state);
        EXPECT_EQ(clock_->save(), state);
    }

private:
    std::optional<CmosClock> clock_{std::in_place, [] { return current_time(); }};
    PortBus bus_;
};

TEST_F(Cmos, TellsTheTimeInBcd) {
    const struct {
        time_t time;
        std::array<uint8_t, 8> registers;
    } cases[] = {
        {0, {0x00, 0x00, 0x00, 0x05, 0x01, 0x01, 0x70, 0x19}},           // Thursday
        {951782399, {0x59, 0x59, 0x23, 0x02, 0x28, 0x02, 0x00, 0x20}},   // 2000-02-28, Monday
        {951782400, {0x00, 0x00, 0x00, 0x03, 0x29, 0x02, 0x00, 0x20}},   // a leap day
        {1798761599, {0x59, 0x59, 0x23, 0x05, 0x31, 0x12, 0x26, 0x20}},  // 2026-12-31, Thursday
        {4102444800, {0x00, 0x00, 0x00, 0x06, 0x01, 0x01, 0x00, 0x21}},  // 2100, Friday
    };
    for (const auto& c : cases) {
        current_time() = c.time;
        EXPECT_EQ(read_all(), c.registers) << c.time;
    }
}

TEST_F(Cmos, IsNeverInTheMiddleOfAnUpdate) {
    EXPECT_EQ(read(0x0a), 0x26);  // bit 7: an update is in progress
    EXPECT_EQ(read(0x0b), 0x02);  // 24 hours, BCD
    EXPECT_EQ(read(0x0c), 0x00);  // no interrupt
    EXPECT_EQ(read(0x0d), 0x80);  // valid
    EXPECT_EQ(read(0x0e), 0x00);  // memory
    EXPECT_EQ(read(0x7f), 0x00);
}

TEST_F(Cmos, RegistersAreOfOneMoment) {
    for (const uint8_t first : std::array<uint8_t, 2>{0x00, 0x0a}) {
        current_time() = 1798761599;  // 2026-12-31 23:59:59
        read(first);
        current_time() += 1;
        EXPECT_EQ(read(0x04), 0x23);
        EXPECT_EQ(read(0x09), 0x26);
        EXPECT_EQ(read(0x00), 0x00);  // a reader that looks again sees that a second has passed
        EXPECT_EQ(read(0x09), 0x27);
    }
}

// Another one: the time when the VM was saved is over.
TEST_F(Cmos, TheMomentThatIsBeingReadIsKept) {
    current_time() = 1798761599;
    read(0x00);
    out(0x70, {0x04});
    current_time() += 86400;
    restore();
    std::byte hours{};
    in(0x71, hours);
    EXPECT_EQ(hours, std::byte{0x23});
    EXPECT_EQ(read(0x09), 0x26);
    EXPECT_EQ(read(0x00), 0x59);
    EXPECT_EQ(read(0x09), 0x27);
}

TEST(CmosState, RefusesWhatNoClockShows) {
    EXPECT_TRUE(CmosClock::check({}).ok());
    EXPECT_TRUE(CmosClock::check({.index = 0x7f, .shown_time = 253402300799}).ok());
    EXPECT_FALSE(CmosClock::check({.index = 0x80}).ok());
    EXPECT_FALSE(CmosClock::check({.shown_time = 253402300800}).ok());
    EXPECT_FALSE(CmosClock::check({.shown_time = -1}).ok());
}

TEST_F(Cmos, TakesAnIndexAndNothingElse) {
    current_time() = 1798761599;
    EXPECT_EQ(read(0x80 | 0x00), 0x59);  // with NMIs off
    out(0x71, {0x12});
    EXPECT_EQ(read(0x00), 0x59);
    out(0x70, {0x0b, 0xff}, 2);  // a word: the index, and data
    EXPECT_EQ(read(0x0b), 0x02);
}

TEST_F(Cmos, HostTimeIsTheHosts) {
    const time_t before = ::time(nullptr);
    const time_t told = CmosClock::host_time();
    EXPECT_GE(told, before);
    EXPECT_LE(told, ::time(nullptr));
}

}  // namespace
