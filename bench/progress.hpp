// How far a measurement is, on standard error: a line that is rewritten on a terminal, elsewhere a
// line for each tenth. Nothing within the first second. One thread.
#pragma once

#include <cstdint>
#include <string>

class Progress {
public:
    // `what` is done in `steps`, at least one.
    Progress(std::string what, uint64_t steps);

    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    ~Progress();

    // On a terminal, at once: what is done now, which may take long.
    void name_step(const char* name);

    // One of them is done.
    void step();

private:
    std::string what_;
    uint64_t steps_;
    uint64_t done_ = 0;
    uint64_t shown_tenths_ = 0;
    double started_us_;
    double shown_us_;
    bool is_terminal_;
    bool has_line_ = false;  // on the terminal
};
