// One line on a terminal that says how far a long step is; nothing where stderr is no terminal.
// Main thread.
#pragma once

#include <chrono>
#include <cstdint>

class Progress {
public:
    Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    ~Progress() { clear(); }

    // "step: 12 MiB", at most some times a second.
    void show(const char* step, uint64_t bytes);

    // Takes the line away, before something else is said.
    void clear();

private:
    using Clock = std::chrono::steady_clock;

    bool is_terminal_;
    bool is_shown_ = false;
    Clock::time_point next_;  // the first line comes after a while: short work stays quiet
};
