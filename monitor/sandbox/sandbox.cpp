#include "monitor/sandbox/sandbox.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "jailer/landlock.hpp"

void settle_heap() {
#ifdef __GLIBC__
    // NOLINTBEGIN(concurrency-mt-unsafe): no other thread yet
    ::mallopt(M_ARENA_MAX, 1);
    ::mallopt(M_MMAP_MAX, 0);
    // NOLINTEND(concurrency-mt-unsafe)
#endif
}

namespace {

Result<> gain_nothing() {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return Error::from_errno("prctl(PR_SET_NO_NEW_PRIVS)");
    return Ok{};
}

}  // namespace

Result<> leave_no_core() {
    const rlimit none{};
    if (::setrlimit(RLIMIT_CORE, &none) != 0) return Error::from_errno("setrlimit(RLIMIT_CORE)");
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return Error::from_errno("prctl(PR_SET_DUMPABLE)");
    return Ok{};
}

Result<> enter_sandbox() {
    TRY(gain_nothing());
    return forbid_all_files();
}

Result<> enter_api_sandbox() {
    TRY(gain_nothing());
    return forbid_all_but_opening();
}
