// Starting a program that is measured. One thread.
#pragma once

#include <sys/types.h>

#include "base/result.hpp"
#include "bench/program.hpp"

// Starts `program` with its standard output on `output` and its standard input empty. It leads a
// process group of its own, so that a signal from the terminal reaches this process alone; and it
// is killed when this process ends in whatever way, so that no VM outlives its measurement.
//
// This is posix_spawn(3), which cannot ask for the latter, and costs the same: the child shares our
// memory until it executes. Errors: as clone(2), open(2), execve(2).
Result<pid_t> spawn(const Program& program, int output);
