// What fuzz targets share: their assertion, and the bytes of an input taken one after another, by
// whom they tell what to do. Past the last one come zeroes. Fuzz targets only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

inline void check(bool holds) {
    if (!holds) __builtin_trap();
}

class FuzzScript {
public:
    explicit FuzzScript(std::span<const uint8_t> data) : data_(data) {}

    bool is_over() const { return data_.empty(); }

    uint8_t next() {
        if (data_.empty()) return 0;
        const uint8_t byte = data_.front();
        data_ = data_.subspan(1);
        return byte;
    }
    uint16_t next_word() {
        const uint16_t low = next();
        return static_cast<uint16_t>(low | next() << 8);
    }
    // Small ones in a byte, others in three.
    uint32_t next_number() {
        const uint32_t low = next();
        if (low < 0x80) return low;
        const uint32_t middle = next();
        return low << 24 | middle << 8 | next();
    }
    // As many as there are, at most `count`.
    std::span<const uint8_t> next_bytes(size_t count) {
        const auto taken = data_.first(std::min(count, data_.size()));
        data_ = data_.subspan(taken.size());
        return taken;
    }

private:
    std::span<const uint8_t> data_;
};
