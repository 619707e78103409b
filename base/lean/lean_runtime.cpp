// What the C and C++ libraries call when memory has run out, an index is wrong or an assertion of
// their own has failed: here all of it ends the process. Theirs would throw or translate a message
// into the user's language, for which they bring along exceptions, an unwinder, a demangler,
// message catalogues and character sets: 90 KB of a program whose own code is 300.
//
// Linked into what ships and is static; the build for tests has the libraries' own.
#include <cstdlib>
#include <exception>
#include <mutex>
#include <new>
#include <typeinfo>
#include <unwind.h>

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

// libc++ without exceptions has one way out for all that it would throw; what is in the archive was
// compiled with them.
_LIBCPP_BEGIN_NAMESPACE_STD
[[noreturn]] void __libcpp_verbose_abort(const char* /*format*/,
                                         ...) _LIBCPP_VERBOSE_ABORT_NOEXCEPT {
    std::abort();
}
[[noreturn]] void __throw_system_error(int /*error*/, const char* /*what*/) {
    std::abort();
}
// In the archive it comes with std::call_once, std::future, and all that those throw.
mutex::~mutex() noexcept {
    ::pthread_mutex_destroy(&__m_);
}
void mutex::lock() {
    ::pthread_mutex_lock(&__m_);
}
bool mutex::try_lock() noexcept {
    return ::pthread_mutex_trylock(&__m_) == 0;
}
void mutex::unlock() noexcept {
    ::pthread_mutex_unlock(&__m_);
}
_LIBCPP_END_NAMESPACE_STD

[[noreturn]] void std::terminate() noexcept {
    abort();
}

extern "C" {
[[noreturn]] void __cxa_pure_virtual() {
    std::abort();
}
[[noreturn]] void* __cxa_allocate_exception(std::size_t /*size*/) noexcept {
    std::abort();
}
void __cxa_free_exception(void* /*exception*/) noexcept {}
[[noreturn]] void __cxa_throw(void* /*exception*/, std::type_info* /*type*/,
                              void (* /*destroy*/)(void*)) {
    std::abort();
}
[[noreturn]] void* __cxa_begin_catch(void* /*exception*/) noexcept {
    std::abort();
}
void __cxa_end_catch() {}
void _Unwind_Resume(_Unwind_Exception* /*exception*/) {
    std::abort();
}
}

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
// _GLIBCXX_ASSERTIONS: an index that is wrong, an optional that is empty.
[[noreturn]] void __glibcxx_assert_fail(const char* /*file*/, int /*line*/,
                                        const char* /*function*/,
                                        const char* /*condition*/) noexcept {
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
