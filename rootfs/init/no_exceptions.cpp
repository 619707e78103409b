// What the headers of the C++ library call where they would throw, for a program that is linked
// without that library.
#include <cstdlib>

namespace std {

[[noreturn]] void __throw_out_of_range_fmt(const char* /*format*/,
                                           ...) {  // NOLINT: the library's own name
    abort();
}

}  // namespace std
