// Descriptors that have to stay open as long as a process runs, and that whoever takes over one of
// its threads can neither use nor close: a thread has them in a descriptor table of its own, and
// sleeps. Its filter allows the one call in which it sleeps, so nothing can be done in its name,
// whatever is written over its stack: to wake up is the process's end. It ends with the process,
// which is when the kernel closes what it holds. Main thread.
#pragma once

#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

class Holder {
public:
    // Until start() the descriptors are the process's, as any other.
    void keep(UniqueFd fd) { kept_.push_back(std::move(fd)); }
    std::vector<int> descriptors() const;

    // From here on they are the thread's alone. After the process's last fork and change of
    // privileges, of which the thread would know nothing, and before a guest runs. Nothing is
    // started for no descriptors. Errors: those of Thread::start(); as close_range(2), seccomp(2).
    Result<> start() &&;

private:
    std::vector<UniqueFd> kept_;
};
