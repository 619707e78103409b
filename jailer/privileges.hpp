// What a process gives up for good before it meets a guest. Main thread, before others start.
#pragma once

#include <sys/resource.h>

#include <span>

#include "base/result.hpp"
#include "jailer/namespaces.hpp"

struct ResourceLimit {
    decltype(RLIMIT_CPU) resource;  // RLIMIT_*; int to musl, an enumeration to glibc
    rlim_t value;                   // soft and hard
};

// Errors: as setrlimit(2).
Result<> set_limits(std::span<const ResourceLimit> limits);

// Leaves the caller's session keyring, whose keys any user in it reaches (session-keyring(7)), for
// an empty one. Does nothing where this process may not use keyctl(2). Errors: as keyctl(2); EDQUOT
// for who is not root and has many.
Result<> leave_session_keyring();

enum class Groups {
    kDrop,  // the supplementary ones
    kKeep,  // in a user namespace they cannot be dropped; they are those that it does not map
};

// Becomes `ids`, with no capability, none that could ever be gained (bounding set), and
// no_new_privs. Errors: as setresuid(2) and prctl(2); EINVAL where a user namespace does not map
// `ids`.
Result<> drop_privileges(const JailIds& ids, Groups groups);
