// What threads wait for under a std::mutex. As std::condition_variable, on the monotonic clock; the
// library's has its exceptions compiled in, and with them an unwinder and a demangler, 60 KB.
#pragma once

#include <pthread.h>

#include <chrono>
#include <ctime>
#include <mutex>

class ConditionVariable {
public:
    ConditionVariable() {
        pthread_condattr_t attributes;
        ::pthread_condattr_init(&attributes);
        ::pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        ::pthread_cond_init(&condition_, &attributes);
        ::pthread_condattr_destroy(&attributes);
    }
    ConditionVariable(const ConditionVariable&) = delete;
    ConditionVariable& operator=(const ConditionVariable&) = delete;
    ~ConditionVariable() { ::pthread_cond_destroy(&condition_); }

    // Any thread.
    void notify_all() { ::pthread_cond_broadcast(&condition_); }

    // Until `holds()`, which is asked with the lock held.
    template <typename Predicate>
    void wait(std::unique_lock<std::mutex>& lock, Predicate holds) {
        while (!holds()) ::pthread_cond_wait(&condition_, lock.mutex()->native_handle());
    }

    // The same for `limit` at most. Returns what `holds()` said last.
    template <typename Predicate>
    bool wait_for(std::unique_lock<std::mutex>& lock, std::chrono::nanoseconds limit,
                  Predicate holds) {
        constexpr long kNanosecondsPerSecond = 1'000'000'000;
        timespec end{};
        ::clock_gettime(CLOCK_MONOTONIC, &end);
        end.tv_sec += limit.count() / kNanosecondsPerSecond;
        end.tv_nsec += limit.count() % kNanosecondsPerSecond;
        if (end.tv_nsec >= kNanosecondsPerSecond) {
            end.tv_nsec -= kNanosecondsPerSecond;
            ++end.tv_sec;
        }
        while (!holds())
            if (::pthread_cond_timedwait(&condition_, lock.mutex()->native_handle(), &end) != 0)
                return holds();
        return true;
    }

private:
    pthread_cond_t condition_{};  // on CLOCK_MONOTONIC
};
