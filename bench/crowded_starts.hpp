// Starts of one program, as many at once as is wanted. One thread.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "bench/program.hpp"

// So many that have come up may be on their way out; then the next one waits. With kvm_pvm some
// thirty are.
constexpr size_t kMostEnding = 512;

// Starts `program` `starts` times, with up to `in_flight` of them between their spawn and their
// first output, and returns how many a second came up, from the first spawn to the last first
// output. Each ends by itself, and is reaped meanwhile: that is in no start's time, but in the
// rate, as far as it takes the processors' time. All are gone when this returns.
// Errors: a program that fails or says nothing; EINTR after a signal that is watched for.
Result<double> starts_per_second(const Program& program, uint64_t in_flight, uint64_t starts);
