// Text put together in a buffer of the caller's, to be written in one go. What does not fit is cut.
#pragma once

#include <cstddef>
#include <cstdint>

#include "rootfs/unikernel/view.hpp"

class Text {
public:
    // `room` outlives the Text.
    explicit Text(View<char> room) : room_(room) {}

    Text& add(StringView words);
    Text& add(uint64_t decimal);

    // 16 digits, lower case, no prefix.
    Text& add_hex(uint64_t value);

    // At least `digits` digits, with leading zeros.
    Text& add_padded(uint64_t decimal, size_t digits);

    StringView view() const { return {room_.data(), size_}; }

private:
    void add_char(char c) {
        if (size_ < room_.size()) room_[size_++] = c;
    }

    View<char> room_;
    size_t size_ = 0;
};
