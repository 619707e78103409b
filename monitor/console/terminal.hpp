// The user's terminal in raw mode, so that every key reaches the guest; restored whatever happens.
// It is touched only while its foreground is ours. Owned by main. Where stdin is no terminal this
// does nothing.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <termios.h>

// Raw for a guest that reads keys itself, or left as it is.
enum class TerminalUse : uint8_t { kKeys, kNone };

// Whether stdin is a terminal whose foreground is another group's than `group`; not where it is not
// the session's terminal, since such have no jobs.
bool is_foreground_anothers(pid_t group);

// What this process is to its shell.
struct Job {
    pid_t group = 0;
    int keeper = -1;  // the socket to it; -1: there is none
};

class Terminal {
public:
    // Of stdin. Remembers its mode, and makes it raw if that is what it is for.
    static Terminal create(TerminalUse use, const Job& job);

    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;
    Terminal(Terminal&& other) noexcept;
    Terminal& operator=(Terminal&&) = delete;
    ~Terminal() { restore(); }

    // Whether keys come from it one by one.
    bool has_keys() const { return original_.has_value() && use_ == TerminalUse::kKeys; }

    // Whether its foreground is another job's, so that nothing can be read from it. Main.
    bool is_another_jobs() const;

    // Back to the mode found, from raw. Idempotent; async-signal-safe; any thread.
    void restore() const;

    // Raw, again after the process was stopped and continued; not while it is another job's.
    void make_raw() const;

private:
    Terminal(TerminalUse use, const Job& job, std::optional<termios> original)
        : use_(use), job_(job), original_(original) {}

    TerminalUse use_;
    Job job_;
    std::optional<termios> original_;
    mutable std::atomic<bool> is_raw_{false};
};
