// What a machine that goes on where it was saved does at first. (One that boots always runs.)
#pragma once

#include <cstdint>

enum class AfterRestore : uint8_t { kPaused, kRuns };
