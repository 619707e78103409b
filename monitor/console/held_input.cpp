#include "monitor/console/held_input.hpp"

#include <unistd.h>

#include <cstdint>

Result<HeldInput> HeldInput::create() {
    HeldInput input;
    if (::isatty(STDIN_FILENO) == 0) return input;
    input.held_ = TRY(EventFd::create());
    input.resumed_ = TRY(EventFd::create());
    input.regained_ = TRY(EventFd::create());
    return input;
}

Result<> HeldInput::join(IoLoop& loop) {
    if (!resumed_.has_value()) return Ok{};
    TRY(loop.on_event(*regained_, [this] { forget_refusals(); }));
    return loop.on_event(*resumed_, [this] { is_held_ = false; });
}

bool HeldInput::refuse() {
    if (!held_.has_value() || ++refusals_ > kMostRefusals) return false;
    is_held_ = true;
    held_->signal();
    return true;
}

// Not by drain(): main's filter has another call for reading.
void HeldInput::resume(bool was_anothers) const {
    if (!held_.has_value()) return;
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t drained = ::read(held_->fd(), &count, sizeof(count));
    if (was_anothers) regained_->signal();
    resumed_->signal();
}
