// What a compiler may call even in a freestanding program, and which therefore must exist (GCC
// manual, "Language Standards"). The linker drops what no code came to need.
#include <cstddef>

extern "C" void* memcpy(void* to, const void* from, size_t size) {
    void* at = to;
    asm volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(size) : : "memory");
    return to;
}

extern "C" void* memset(void* to, int byte, size_t size) {
    void* at = to;
    asm volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(byte) : "memory");
    return to;
}
