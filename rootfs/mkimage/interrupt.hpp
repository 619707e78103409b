// The user's wish to stop: SIGINT, SIGTERM, SIGHUP. They are blocked and looked for where the
// program waits or loops, so that it ends the way every error ends: by undoing what it made. Main
// thread.
#pragma once

#include "base/result.hpp"
#include "base/unique_fd.hpp"

class Interrupt {
public:
    // Blocks the signals for the process from here on.
    static Result<Interrupt> create();

    // From here on the end of the pipe `lifeline` is a SIGINT.
    static Result<> follow(int lifeline);

    // EINTR if a signal has come, now or earlier.
    Result<> check();

    // Waits until `fd` can be read. Errors: EINTR as check(); as poll(2).
    Result<> wait_readable(int fd);

    // Readable when a signal is there that check() has not seen.
    int fd() const { return signals_.get(); }

    // 0: none came.
    int signal() const { return signal_; }

    // Ends the process as the signal would have, if one came: a shell sees that it was interrupted.
    void end_process_if_any() const;

private:
    explicit Interrupt(UniqueFd signals) : signals_(std::move(signals)) {}

    UniqueFd signals_;
    int signal_ = 0;
};
