// For the tests on the host, where nothing is PID 1: failures end the test program.
#include <cstdio>
#include <cstdlib>

#include "rootfs/init/failure.hpp"

void fail(const char* what, const char* subject) {
    warn(what, subject);
    std::abort();
}

void warn(const char* what, const char* subject) {
    std::fprintf(stderr, "%s: %s\n", subject == nullptr ? "" : subject, what);
}
