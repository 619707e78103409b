// The root of a jail: a folder of its own, or an empty one that only exists as long as the process
// does. For a process in mount namespaces of its own (namespaces.hpp). Main thread.
#pragma once

#include <span>
#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "jailer/namespaces.hpp"

// A file or folder of the host that the jail sees too.
struct Bind {
    std::string source;
    std::string destination;  // in the jail; made if it is not there
    bool is_read_only = false;
};

// What to do about a file that is there already.
constexpr const char* kJailIsTaken = "the jail is in use, or was not cleaned up: remove its folder";

enum class Devices {
    kMade,   // device nodes
    kBound,  // the host's, bound: who is not root cannot make nodes
};

// Makes an empty file system, in which nothing can ever be made, the root. Errors: as mount(2) and
// pivot_root(2).
Result<> enter_empty_root();

// Prepares the folder `root` to be the root of a jail, all of it owned by `ids`, mode 0700: /dev
// with kvm, net/tun and urandom, /run, and the binds. What lies there already stays. No path leaves
// the folder, whatever links the folder has in it. Errors: EEXIST about "/dev/kvm" where another
// jail uses the folder, or used it and was not cleaned up.
Result<> furnish_root(int root, const JailIds& ids, Devices devices, std::span<const Bind> binds);

// Mounts `folder` where it is and opens what is mounted. Errors: as open_tree(2) and mount(2).
Result<UniqueFd> bind_onto_itself(int folder);

// The opposite, of what that has opened: what is a mount cannot be removed.
void let_go_of(int root);

// Makes the folder `root` the root, and lets go of the old one. Errors: as pivot_root(2).
Result<> enter_root(int root);
