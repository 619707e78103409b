#include "monitor/console/held_input.hpp"

#include <unistd.h>

#include <cstdint>

Result<HeldInput> HeldInput::create() {
    return HeldInput{TRY(EventFd::create()), TRY(EventFd::create())};
}

Result<> HeldInput::join(IoLoop& loop) {
    return loop.on_event(resumed_, [this] { is_held_ = false; });
}

bool HeldInput::refuse() {
    if (++refusals_ > kMostRefusals) return false;
    is_held_ = true;
    held_.signal();
    return true;
}

// Not by drain(): main's filter has another call for reading.
void HeldInput::resume() const {
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t drained = ::read(held_.fd(), &count, sizeof(count));
    resumed_.signal();
}
