#include "rootfs/init/string_list.hpp"

#include <cstdlib>
#include <cstring>

StringList::~StringList() {
    std::free(strings_);
}

void StringList::reserve(size_t count) {
    if (count <= capacity_) return;
    const size_t capacity = count < 16 ? 16 : 2 * count;
    void* const grown = std::realloc(strings_, capacity * sizeof(char*));
    if (grown == nullptr) std::abort();  // a few hundred bytes: there is no guest without them
    strings_ = static_cast<char**>(grown);
    capacity_ = capacity;
}

void StringList::add(char* string) {
    reserve(size_ + 1);
    strings_[size_++] = string;
}

void StringList::set_variable(char* assignment) {
    const size_t name_size = std::strcspn(assignment, "=");
    for (size_t i = 0; i < size_; ++i) {
        if (std::strncmp(strings_[i], assignment, name_size) != 0 || strings_[i][name_size] != '=')
            continue;
        strings_[i] = assignment;
        return;
    }
    add(assignment);
}

const char* StringList::variable(const char* name) const {
    const size_t name_size = std::strlen(name);
    for (size_t i = 0; i < size_; ++i)
        if (std::strncmp(strings_[i], name, name_size) == 0 && strings_[i][name_size] == '=')
            return strings_[i] + name_size + 1;
    return nullptr;
}

char* const* StringList::data() {
    reserve(size_ + 1);
    strings_[size_] = nullptr;
    return strings_;
}
