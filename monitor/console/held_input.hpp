// Input from a terminal that has another job in its foreground is held: it is neither there nor at
// its end. The I/O thread sees that by a refused read, and stops reading; main looks at the
// terminal, and lets it go on.
#pragma once

#include <optional>

#include "base/event_fd.hpp"
#include "base/io_loop.hpp"
#include "base/result.hpp"

class HeldInput {
public:
    // Of stdin. What is no terminal is never held. Errors: as eventfd(2).
    static Result<HeldInput> create();

    // --- I/O thread -----------------------------------------------------------------------------

    // Before the thread. This object stays where it is, and outlives `loop`'s run(). Errors: as
    // IoLoop::on_event().
    Result<> join(IoLoop& loop);

    bool is_held() const { return is_held_; }

    // A read has failed with EIO. True: it is held. False: it was refused again and again though
    // main found the terminal to be ours, so that there is none any more.
    bool refuse();

    // A read has brought something, or the end.
    void forget_refusals() { refusals_ = 0; }

    // --- Main -----------------------------------------------------------------------------------

    // Readable when the input is held, until resume(); -1 where it never is.
    int fd() const { return held_.has_value() ? held_->fd() : -1; }

    // The terminal is ours; `was_anothers`: it was not when it was last looked at.
    void resume(bool was_anothers) const;

private:
    HeldInput() = default;

    static constexpr int kMostRefusals = 3;

    std::optional<EventFd> held_;      // I/O thread -> main
    std::optional<EventFd> resumed_;   // main -> I/O thread
    std::optional<EventFd> regained_;  // the same
    bool is_held_ = false;
    int refusals_ = 0;
};
