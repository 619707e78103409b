// Words of error lines that are made at run time. An Error has views only, so somebody must own
// what it names: an entry of an archive, a tool's complaint. Main thread.
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
