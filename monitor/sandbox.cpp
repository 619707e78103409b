#include "monitor/sandbox.hpp"

#include <sys/prctl.h>

Result<> enter_sandbox() {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return Error::from_errno("prctl(PR_SET_NO_NEW_PRIVS)");
    return Ok{};
}
