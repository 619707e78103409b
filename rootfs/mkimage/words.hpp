// Remedies that are made at run time: an Error owns the name of what it is about, but not its hint,
// as a tool's complaint. Main thread.
#pragma once

#include <deque>
#include <string>

class Words {
public:
    // The text, control characters as '?', until the program ends.
    const char* keep(std::string text);

private:
    std::deque<std::string> kept_;  // a deque's strings never move
};
