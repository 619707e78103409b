#include "monitor/ports/cmos_clock.hpp"

#include "base/calendar.hpp"

namespace {

constexpr std::byte kIndexBits{0x7f};  // the other one of the index port concerns NMIs
constexpr std::byte kWriteOnly{0xff};

enum Register : uint8_t {
    kSeconds = 0x00,
    kMinutes = 0x02,
    kHours = 0x04,
    kDayOfWeek = 0x06,  // from 1, Sunday, on
    kDayOfMonth = 0x07,
    kMonth = 0x08,
    kYear = 0x09,
    kStatusA = 0x0a,
    kStatusB = 0x0b,
    kStatusD = 0x0d,
    kCentury = 0x32,
};
constexpr int kThursday = 5;  // as the first day of 1970 was
constexpr time_t kSecondsPerDay = 86400;
constexpr uint8_t kRunning = 0x26;          // A: 32768 Hz, and no update in progress
constexpr uint8_t kTwentyFourHours = 0x02;  // B: BCD, and no interrupts
constexpr uint8_t kValid = 0x80;            // D

uint8_t bcd(int value) {
    return static_cast<uint8_t>(value / 10 % 10 << 4 | value % 10);
}

}  // namespace

time_t CmosClock::host_time() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec;
}

Result<> CmosClock::check(const CmosClockState& state) {
    constexpr int64_t kYear10000 = 253402300800;
    if ((state.index & ~static_cast<uint8_t>(kIndexBits)) != 0)
        return Error{"clock: index", 0, "has more than seven bits", state.index};
    if (state.shown_time < 0 || state.shown_time >= kYear10000)
        return Error{"clock: time", 0, "is not of the years from 1970 to 9999"};
    return Ok{};
}

void CmosClock::in(uint16_t offset, std::span<std::byte> data, unsigned width) {
    for (size_t i = 0; i < data.size(); ++i)
        data[i] = offset + i % width == 0 ? kWriteOnly : static_cast<std::byte>(read());
}

void CmosClock::out(uint16_t offset, std::span<const std::byte> data, unsigned width) {
    for (size_t i = 0; i < data.size(); ++i)
        if (offset + i % width == 0)
            index_.store(static_cast<uint8_t>(data[i] & kIndexBits), std::memory_order_relaxed);
}

uint8_t CmosClock::read() {
    const uint8_t index = index_.load(std::memory_order_relaxed);
    if (index == kSeconds || index == kStatusA) time_.store(now_(), std::memory_order_relaxed);
    const time_t time = time_.load(std::memory_order_relaxed);
    const CalendarTime date = calendar_time(time);
    switch (index) {
        case kSeconds:
            return bcd(date.second);
        case kMinutes:
            return bcd(date.minute);
        case kHours:
            return bcd(date.hour);
        case kDayOfWeek:
            return bcd(static_cast<int>((time / kSecondsPerDay + kThursday - 1) % 7) + 1);
        case kDayOfMonth:
            return bcd(date.day);
        case kMonth:
            return bcd(date.month);
        case kYear:
            return bcd(date.year);
        case kCentury:
            return bcd(date.year / 100);
        case kStatusA:
            return kRunning;
        case kStatusB:
            return kTwentyFourHours;
        case kStatusD:
            return kValid;
        default:
            return 0;
    }
}
