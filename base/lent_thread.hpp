// A thread that does what another gives it, one task after the other: the process's first, which
// has something better to do than what it began with.
#pragma once

#include <pthread.h>

#include <functional>
#include <mutex>
#include <vector>

#include "base/condition_variable.hpp"
#include "base/pinned.hpp"

class LentThread : private Pinned {
public:
    // The calling thread, which is to serve().
    LentThread() = default;

    // Does what it is given, for good: the process ends elsewhere.
    [[noreturn]] void serve();

    // After what it was given before. Another thread's, or its own before serve().
    void give(std::function<void()> task);

    // What it was given and has not begun is not done. Its own, before serve().
    void forget();

    // Until it has done what it was given. Another thread's; on the lent one it returns at once.
    void wait();

private:
    const pthread_t thread_ = ::pthread_self();
    std::mutex mutex_;  // guards what follows
    ConditionVariable changed_;
    std::vector<std::function<void()>> tasks_{};  // the first is being done
};
