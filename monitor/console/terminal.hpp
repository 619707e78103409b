// The user's terminal in raw mode, so that every key reaches the guest; restored whatever happens.
// Owned by main. Where stdin is no terminal this does nothing.
#pragma once

#include <optional>
#include <termios.h>

#include "base/result.hpp"

class Terminal {
public:
    // Remembers the mode of `fd` (outlives this object) and makes it raw. Errors: as tcsetattr(3).
    static Result<Terminal> create(int fd);

    // A terminal that stays as it is.
    static Terminal untouched(int fd) { return Terminal{fd, std::nullopt}; }

    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;
    Terminal(Terminal&& other) noexcept;
    Terminal& operator=(Terminal&&) = delete;
    ~Terminal() { restore(); }

    bool is_terminal() const { return original_.has_value(); }

    // Back to the mode found. Idempotent; async-signal-safe.
    void restore() const;

    // Raw again, after the process was stopped and continued.
    void make_raw() const;

private:
    Terminal(int fd, std::optional<termios> original) : fd_(fd), original_(original) {}

    int fd_;
    std::optional<termios> original_;
};
