// A list of C strings that ends with a null pointer, as execve(2) takes arguments and environment.
// It holds pointers into somebody else's buffer.
#pragma once

#include <cstddef>

class StringList {
public:
    StringList() = default;
    StringList(const StringList&) = delete;
    StringList(StringList&&) = delete;
    StringList& operator=(const StringList&) = delete;
    StringList& operator=(StringList&&) = delete;
    ~StringList();

    void add(char* string);
    void clear() { size_ = 0; }

    // Takes the place of the entry that sets the same variable, where there is one. `assignment` is
    // K=V.
    void set_variable(char* assignment);
    // The value of variable `name`; nullptr where none is set.
    const char* variable(const char* name) const;

    size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    char* operator[](size_t at) const { return strings_[at]; }
    // Null-terminated, whatever its size.
    char* const* data();

private:
    void reserve(size_t count);

    char** strings_ = nullptr;
    size_t size_ = 0;
    size_t capacity_ = 0;
};
