// The filters that the command line asks for. Main thread.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "monitor/sandbox/filters.hpp"

enum class Seccomp : uint8_t { kFilters, kNone };

struct FilterChoice {
    Seccomp seccomp = Seccomp::kFilters;
    const char* path = nullptr;  // nullptr: the filters in the binary
};

// Errors: the two exclude each other.
Result<> validate(const FilterChoice& choice);

// Warns where there are to be none. Errors: as Filters::load(), about the path.
Result<Filters> choose_filters(const FilterChoice& choice);
