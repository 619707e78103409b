// Whether a guest that found one processor can go on with another.
#pragma once

#include <linux/kvm.h>

#include <span>

#include "base/result.hpp"

// `saved`: what CPUID told the guest (VcpuState); `here`: what it tells one that starts on this
// host, as told_cpuid() has it after set_cpuid(): some KVMs add to the list that they are given.
// That this is more is of no concern. Any thread. Errors: a processor of another vendor; the first
// register of features of which bits are missing here, and these; parts of XSAVE's area that are
// not where they were.
Result<> check_cpuid(std::span<const kvm_cpuid_entry2> saved,
                     std::span<const kvm_cpuid_entry2> here);
