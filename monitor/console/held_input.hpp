// Input from a terminal that has another job in its foreground is held: it is neither there nor at
// its end. The I/O thread sees that by a refused read, and stops reading; main looks at the
// terminal, and lets it go on.
#pragma once

#include "base/event_fd.hpp"
#include "base/io_loop.hpp"
#include "base/result.hpp"

class HeldInput {
public:
    // Errors: as eventfd(2).
    static Result<HeldInput> create();

    // --- I/O thread -----------------------------------------------------------------------------

    // Before the thread. This object stays where it is, and outlives `loop`'s run(). Errors: as
    // IoLoop::on_event().
    Result<> join(IoLoop& loop);

    bool is_held() const { return is_held_; }

    // A read has failed with EIO. True: it is held. False: it was refused again and again though
    // the terminal is ours, so that there is none any more.
    bool refuse();

    // A read has brought something, or the end.
    void forget_refusals() { refusals_ = 0; }

    // --- Main -----------------------------------------------------------------------------------

    // Readable when the input is held, until resume().
    int fd() const { return held_.fd(); }

    // The terminal is ours now.
    void resume() const;

private:
    HeldInput(EventFd held, EventFd resumed)
        : held_(std::move(held)), resumed_(std::move(resumed)) {}

    static constexpr int kMostRefusals = 3;

    EventFd held_;     // I/O thread -> main
    EventFd resumed_;  // main -> I/O thread
    bool is_held_ = false;
    int refusals_ = 0;
};
