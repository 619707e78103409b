// Patience with a predecessor. The files of an io_uring are given back some milliseconds after its
// process has ended, so a VM that takes over the disk or TAP of one that has just ended finds it
// busy for a moment. Any thread.
#pragma once

#include <cerrno>
#include <ctime>

// Attempts. A client may give up after half a second, and tell of a dozen disks before.
enum class Patience : int { kNone = 1, kOfRequest = 10, kOfStart = 50 };

// Calls `attempt`, which returns 0, or -1 with errno set, until it gives something else than
// `busy`, for a quarter of a second by so many attempts, or for as long as others take. Returns 0
// or the errno value.
template <typename Attempt>
int while_busy(Attempt attempt, int busy, int attempts = static_cast<int>(Patience::kOfStart)) {
    constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 5'000'000};
    for (int i = 1;; ++i) {
        if (attempt() == 0) return 0;
        if (errno != busy || i == attempts) return errno;
        ::clock_nanosleep(CLOCK_MONOTONIC, 0, &kPause, nullptr);
    }
}
