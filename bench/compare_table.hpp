// What `mayfly-bench compare` prints of a guest. One thread.
#pragma once

#include <span>
#include <string>

#include "bench/contest.hpp"

struct ComparedProgram {
    const Contestant* contestant;  // with at least one sample
    std::string version;           // as the program tells it
    double vmm_us = 0;             // what of it the monitor takes, and what the guest; 0: not known
    double guest_us = 0;
};

// `reference` is one of the programs, or nullptr for no ratios.
void print_compared(std::span<const ComparedProgram> programs, const Guest& guest,
                    const Contestant* reference);
