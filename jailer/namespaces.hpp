// Namespaces (namespaces(7)) of the calling process. Main thread, before others start.
#pragma once

#include <sys/types.h>

#include "base/result.hpp"

struct JailIds {
    uid_t uid;
    gid_t gid;
};

enum class Network {
    kEmpty,  // one of its own, in which there is not even a loopback that is up
    kKept,   // the caller's
};

// A user namespace in which the caller, who needs no privilege for it, may do what follows. The
// caller's own user and group appear in it as `ids`, and no other does. Errors: as unshare(2) with
// CLONE_NEWUSER; EINVAL where the process has other threads.
Result<> enter_user_namespace(const JailIds& ids);

// Mount, ipc and uts namespaces, whose mounts no longer reach the caller's, and a network namespace
// as `network` says. Errors: as unshare(2).
Result<> enter_namespaces(Network network);

// The network namespace that the file at `path` stands for. Errors: those of the file; EINVAL where
// it is none.
Result<> join_network(const char* path);
