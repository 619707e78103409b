#include "rootfs/unikernel/text.hpp"

namespace {

constexpr size_t kMaxDigits = 20;  // 2^64 - 1 has as many

}  // namespace

Text& Text::add(StringView words) {
    for (const char c : words) add_char(c);
    return *this;
}

Text& Text::add(uint64_t decimal) {
    return add_padded(decimal, 1);
}

Text& Text::add_hex(uint64_t value) {
    for (int shift = 60; shift >= 0; shift -= 4) {
        add_char("0123456789abcdef"[value >> shift & 0xf]);
    }
    return *this;
}

Text& Text::add_padded(uint64_t decimal, size_t digits) {
    char reversed[kMaxDigits] = {};
    size_t count = 0;
    do {
        reversed[count++] = static_cast<char>('0' + decimal % 10);
        decimal /= 10;
    } while (decimal != 0);
    for (size_t i = digits; i > count; --i) add_char('0');
    while (count != 0) add_char(reversed[--count]);
    return *this;
}
