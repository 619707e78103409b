#include "rootfs/mkimage/progress.hpp"

#include <unistd.h>

#include <cinttypes>
#include <cstdio>

namespace {
constexpr std::chrono::milliseconds kInterval{200};
constexpr const char* kEraseLine = "\r\033[K";
}  // namespace

Progress::Progress()
    : is_terminal_(::isatty(STDERR_FILENO) == 1), next_(Clock::now() + 2 * kInterval) {}

void Progress::show(const char* step, uint64_t bytes) {
    if (!is_terminal_ || Clock::now() < next_) return;
    next_ = Clock::now() + kInterval;
    is_shown_ = true;
    std::fprintf(stderr, "%s%s: %" PRIu64 " MiB", kEraseLine, step, bytes >> 20);
    std::fflush(stderr);
}

void Progress::clear() {
    if (!is_shown_) return;
    is_shown_ = false;
    std::fputs(kEraseLine, stderr);
    std::fflush(stderr);
}
