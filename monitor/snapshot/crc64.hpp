// CRC-64/XZ: ECMA-182's polynomial, reflected, begun and ended with all ones (the check value of
// "123456789" is 0x995dc9bbdf1939fa). Arithmetic alone, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

class Crc64 {
public:
    void add(std::span<const std::byte> bytes);
    uint64_t value() const { return ~state_; }

private:
    uint64_t state_ = ~uint64_t{0};
};
