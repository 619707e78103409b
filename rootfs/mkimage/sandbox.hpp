// What reads an archive of a stranger's: a child that has given up all that making a tree does not
// need, of root's powers too. A fault in the reading of archives is then worth a tree, and no more.
// Main thread.
#pragma once

#include <functional>

#include "base/result.hpp"
#include "rootfs/mkimage/job.hpp"

struct Confines {
    int folder;         // all in it can be read, made, changed and removed, but not executed
    int readable = -1;  // a folder that can be read; -1: none
    int archive = -1;   // what else stays open, besides stdin, stdout and stderr
};

// Runs `work` in a child of this process. There is no file but in `confines` (Landlock, where the
// kernel has version 2 of it); no device can be opened even there, where mounts can be copied; no
// network, no other program or process (seccomp); and of root's capabilities those that give files
// their owners, permissions, device numbers and capabilities.
// Errors: those of `work`, which the child has said (is_said()); EINTR; the child was killed.
Result<> run_confined(const Confines& confines, const std::function<Result<>()>& work, Job& job);
