// What the headers of the C++ library call where they would throw, for a program that is linked
// without that library.
#include <cstdlib>

namespace std {

// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the library's own name.
[[noreturn]] void __throw_out_of_range_fmt(const char* /*format*/, ...);
[[noreturn]] void __throw_out_of_range_fmt(const char* /*format*/, ...) {
    abort();
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)

}  // namespace std
