// What the C and C++ libraries call when memory has run out, an index is wrong or an assertion of
// their own has failed: here all of it ends the process. Theirs would throw or translate a message
// into the user's language, for which they bring along exceptions, an unwinder, a demangler,
// message catalogues and character sets: 90 KB of a program whose own code is 300.
//
// Linked into what ships and is static; the build for tests has the libraries' own.
#include <cstdlib>
#include <new>

// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming,cert-dcl58-cpp): names
// that the libraries look for.

namespace {

void* allocate(std::size_t size) {
    void* const memory = std::malloc(size == 0 ? 1 : size);
    if (memory == nullptr) std::abort();
    return memory;
}

}  // namespace

void* operator new(std::size_t size) {
    return allocate(size);
}
void* operator new[](std::size_t size) {
    return allocate(size);
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete[](void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t /*size*/) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t /*size*/) noexcept {
    std::free(memory);
}

#ifdef _LIBCPP_VERSION

// libc++ without exceptions has one way out for all that it would throw.
_LIBCPP_BEGIN_NAMESPACE_STD
[[noreturn]] void __libcpp_verbose_abort(const char* /*format*/,
                                         ...) _LIBCPP_VERBOSE_ABORT_NOEXCEPT {
    std::abort();
}
_LIBCPP_END_NAMESPACE_STD

#else  // libstdc++ and glibc

namespace std {

[[noreturn]] void __throw_bad_alloc() {
    abort();
}
[[noreturn]] void __throw_bad_array_new_length() {
    abort();
}
[[noreturn]] void __throw_length_error(const char* /*what*/) {
    abort();
}
[[noreturn]] void __throw_logic_error(const char* /*what*/) {
    abort();
}
[[noreturn]] void __throw_out_of_range(const char* /*what*/) {
    abort();
}
[[noreturn]] void __throw_out_of_range_fmt(const char* /*format*/, ...) {
    abort();
}
[[noreturn]] void __throw_bad_function_call() {
    abort();
}
[[noreturn]] void __throw_system_error(int /*error*/) {
    abort();
}

}  // namespace std

extern "C" {

[[noreturn]] void __assert_fail(const char* /*assertion*/, const char* /*file*/, unsigned /*line*/,
                                const char* /*function*/) {
    std::abort();
}
// The state of the resolver of names, of each thread: pthread_create(3) resets it, and the whole of
// the resolver hangs on it. Nothing here resolves names.
extern __thread void* __libc_resp;
__thread void* __libc_resp = nullptr;
}

#endif

extern "C" int __gxx_personality_v0();
extern "C" int __gxx_personality_v0() {
    std::abort();
}

// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming,cert-dcl58-cpp)
