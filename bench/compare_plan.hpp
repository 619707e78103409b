// What `mayfly-bench compare` is to compare, from its flags. One thread.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "bench/contest.hpp"
#include "bench/guest.hpp"
#include "bench/monitors.hpp"

// A program to compare, if it is installed.
struct Installed {
    const Monitor* monitor;
    std::string path{};     // "": it is not
    std::string version{};  // the first line of what it says
};

struct ComparePlan {
    Rounds rounds;
    std::vector<Installed> programs;  // the floor, Mayfly, the peers
    std::vector<Guest> guests;
    std::string kvm;  // the module behind /dev/kvm
    const char* results;
};

// Errors: a flag, about its value.
Result<ComparePlan> make_compare_plan(std::span<const char* const> arguments);
