// A processor that is the same on hosts of several generations: what CPUID tells a guest is cut
// down to what all of them have. A program that chose its instructions on one of these hosts can
// then go on with them on another.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "monitor/kvm/cpuid.hpp"

enum class CpuTemplate : uint8_t {
    kNone,  // the host's
    // As Firecracker's of that name: an Intel Xeon with the instructions of Haswell (AVX2, BMI, FMA
    // and no AVX-512, AMX, TSX or SHA), for hosts from then to now.
    kT2,
};

// Main thread. Errors: the host's processor is not of the template's vendor, or has less than it.
Result<> cut_down(Cpuid& cpuid, CpuTemplate to);
