#include "monitor/sandbox/side_channels.hpp"

#include <sys/prctl.h>

#include <cerrno>

namespace {

// <linux/prctl.h>, which musl's <sys/prctl.h> does not go with.
constexpr int kSchedCore = 62;             // PR_SCHED_CORE, Linux 5.14
constexpr unsigned long kCreate = 1;       // PR_SCHED_CORE_CREATE
constexpr unsigned long kThreadGroup = 1;  // PR_SCHED_CORE_SCOPE_THREAD_GROUP
constexpr int kSetMemoryMerge = 67;        // PR_SET_MEMORY_MERGE, Linux 6.4

bool is_safe_from_store_bypass() {
    const int state = ::prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, 0, 0, 0);
    return state == PR_SPEC_NOT_AFFECTED ||
           (state > 0 &&
            (static_cast<unsigned>(state) & (PR_SPEC_DISABLE | PR_SPEC_FORCE_DISABLE)) != 0);
}

}  // namespace

Result<> keep_cores_apart(Measure measure) {
    if (measure == Measure::kNone) return Ok{};
    const int result = ::prctl(kSchedCore, kCreate, 0, kThreadGroup, 0);
    // ENODEV: one thread a core.
    if (result == 0 || errno == ENODEV || measure != Measure::kDemanded) return Ok{};
    return Error::from_errno("--core-scheduling",
                             "the host needs Linux 5.14 with CONFIG_SCHED_CORE; or say off");
}

Result<> wait_for_stores(Measure measure) {
    if (measure == Measure::kNone) return Ok{};
    if (::prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, PR_SPEC_DISABLE, 0, 0) == 0 ||
        measure != Measure::kDemanded)
        return Ok{};
    const int code = errno;
    if (is_safe_from_store_bypass()) return Ok{};
    errno = code;
    return Error::from_errno(
        "--ssbd", "the host's processor or kernel offers no switch for a thread; or say off");
}

void keep_pages_apart() {
    ::prctl(kSetMemoryMerge, 0, 0, 0, 0);
}
