// A pointer and a length, and text as a constant one.
//
// std::span and StringView would do, but as GCC 12 ships them they want a C library
// (strlen, memcmp), a handler for exceptions, and under Clang the x87 registers.
#pragma once

#include <cstddef>

template <typename T>
class View {
public:
    constexpr View() = default;
    constexpr View(T* data, size_t size) : data_(data), size_(size) {}

    // Implicit on purpose: an array is its own view.
    template <size_t kSize>
    constexpr View(T (&array)[kSize]) : View(array, kSize) {}

    constexpr T* data() const { return data_; }
    constexpr size_t size() const { return size_; }
    constexpr bool empty() const { return size_ == 0; }
    constexpr T* begin() const { return data_; }
    constexpr T* end() const { return data_ + size_; }
    constexpr T& operator[](size_t i) const { return data_[i]; }

private:
    T* data_ = nullptr;
    size_t size_ = 0;
};

class StringView : public View<const char> {
public:
    constexpr StringView() = default;
    constexpr StringView(const char* data, size_t size) : View(data, size) {}

    // Implicit on purpose: for literals, without their NUL.
    template <size_t kSize>
    constexpr StringView(const char (&literal)[kSize]) : View(literal, kSize - 1) {}

    // [first, first + count). Precondition: it lies within.
    constexpr StringView part(size_t first, size_t count) const { return {data() + first, count}; }

    friend constexpr bool operator==(StringView a, StringView b) {
        if (a.size() != b.size()) return false;
        for (size_t i = 0; i < a.size(); ++i) {
            if (a[i] != b[i]) return false;
        }
        return true;
    }
};
