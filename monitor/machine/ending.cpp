#include "monitor/machine/ending.hpp"

Result<EndingLatch> EndingLatch::create() {
    return EndingLatch{TRY(EventFd::create())};
}

void EndingLatch::report(const Ending& ending) {
    const std::lock_guard lock(mutex_);
    if (has_ended_.load(std::memory_order_relaxed)) return;
    ending_ = ending;
    // Pairs with has_ended(): who sees true also sees ending_.
    has_ended_.store(true, std::memory_order_release);
    event_.signal();
}
