// Decimal digits. (std::to_string and streams bring much along.)
#pragma once

#include <array>
#include <cstdint>
#include <string>

inline void append_number(std::string& out, uint64_t number) {
    std::array<char, 20> digits{};  // of 2^64 - 1
    size_t at = digits.size();
    do {
        digits[--at] = static_cast<char>('0' + number % 10);
        number /= 10;
    } while (number != 0);
    out.append(&digits[at], digits.size() - at);
}
