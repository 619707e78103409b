#include "monitor/snapshot/crc64.hpp"

#include <array>
#include <bit>
#include <cstring>

namespace {

constexpr uint64_t kPolynomial = 0xc96c'5795'd787'0f42;  // ECMA-182's, its lowest bit first

// Four bytes at a time: over twice the speed of one at a time (a state of many vCPUs has several
// hundred KiB, which a guest that is restored waits for), and tables of 8 KiB.
constexpr size_t kStride = 4;
using Tables = std::array<std::array<uint64_t, 256>, kStride>;

// kTables[n][byte]: what a byte makes of the remainder when n others follow it.
constexpr Tables make_tables() {
    Tables tables{};
    for (uint64_t byte = 0; byte < 256; ++byte) {
        uint64_t remainder = byte;
        for (int bit = 0; bit < 8; ++bit)
            remainder = remainder >> 1 ^ ((remainder & 1) != 0 ? kPolynomial : 0);
        tables[0][byte] = remainder;
    }
    for (size_t behind = 1; behind < kStride; ++behind) {
        for (size_t byte = 0; byte < 256; ++byte) {
            const uint64_t before = tables[behind - 1][byte];
            tables[behind][byte] = before >> 8 ^ tables[0][before & 0xff];
        }
    }
    return tables;
}

constexpr Tables kTables = make_tables();

static_assert(std::endian::native == std::endian::little);

}  // namespace

void Crc64::add(std::span<const std::byte> bytes) {
    uint64_t state = state_;
    while (bytes.size() >= kStride) {
        uint32_t next = 0;
        std::memcpy(&next, bytes.data(), sizeof next);
        const uint64_t mixed = state ^ next;
        state = state >> 32 ^ kTables[3][mixed & 0xff] ^ kTables[2][mixed >> 8 & 0xff] ^
                kTables[1][mixed >> 16 & 0xff] ^ kTables[0][mixed >> 24 & 0xff];
        bytes = bytes.subspan(kStride);
    }
    for (const std::byte byte : bytes)
        state = state >> 8 ^ kTables[0][(state ^ static_cast<uint64_t>(byte)) & 0xff];
    state_ = state;
}
