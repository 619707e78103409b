// Seconds since 1970 as a date, in UTC: gmtime(3) without time zones, locks and files. Any thread,
// and signal handlers.
#pragma once

#include <cstdint>

struct CalendarTime {
    int year;
    int month;  // 1 to 12
    int day;    // 1 to 31
    int hour, minute, second;

    bool operator==(const CalendarTime&) const = default;
};

// For times from 1970 on. Years are counted from the first of March, so that a leap day is a
// year's last, in cycles of 400 years (146097 days), which all have the same calendar.
constexpr CalendarTime calendar_time(int64_t seconds_since_1970) {
    constexpr int64_t kDay = 86400;
    constexpr int64_t kCycleDays = 146097;
    constexpr int64_t kDaysFromMarch0 = 719468;  // from 0000-03-01 to 1970-01-01
    const int64_t days = seconds_since_1970 / kDay + kDaysFromMarch0;
    const auto second = static_cast<int>(seconds_since_1970 % kDay);
    const auto day_of_cycle = static_cast<int>(days % kCycleDays);
    const int year_of_cycle = (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36524 -
                               day_of_cycle / (static_cast<int>(kCycleDays) - 1)) /
                              365;
    const int day_of_year =
        day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    // From March on, five months have 153 days.
    const int month_from_march = (5 * day_of_year + 2) / 153;
    const int month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    const auto year = static_cast<int>(days / kCycleDays * 400) + year_of_cycle;
    return {.year = month <= 2 ? year + 1 : year,
            .month = month,
            .day = day_of_year - (153 * month_from_march + 2) / 5 + 1,
            .hour = second / 3600,
            .minute = second / 60 % 60,
            .second = second % 60};
}
