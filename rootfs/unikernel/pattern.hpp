// Known content, for tests that count and compare bytes: what `print` writes and how `sum` hashes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "rootfs/unikernel/text.hpp"

constexpr size_t kPatternLineBytes = 64;

// Appends line `number`: the number in 10 digits, a blank, 52 letters that run on from a to z and
// start over, the first being the number modulo 26, and a newline.
void add_pattern_line(uint64_t number, Text& text);

// FNV-1a, 64 bits: the offset basis is the hash of nothing, and each byte is one step.
constexpr uint64_t kFnv1aBasis = 0xcbf29ce484222325;

constexpr uint64_t fnv1a(uint64_t hash, uint8_t byte) {
    return (hash ^ byte) * 0x100000001b3;
}

// Marsaglia's xorshift, 64 bits, shifts 13, 7 and 17: as good as chance for picking blocks, and the
// same each time.
class XorShift {
public:
    constexpr uint64_t next() {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return state_;
    }

private:
    uint64_t state_ = 88172645463325252;  // the seed of his paper
};
