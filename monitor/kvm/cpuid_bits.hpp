// How tables of CPUID's features name a register and bits of it.
#pragma once

#include <linux/kvm.h>

#include <cstdint>

namespace cpuid {

using Register = uint32_t kvm_cpuid_entry2::*;
constexpr Register kEax = &kvm_cpuid_entry2::eax;
constexpr Register kEbx = &kvm_cpuid_entry2::ebx;
constexpr Register kEcx = &kvm_cpuid_entry2::ecx;
constexpr Register kEdx = &kvm_cpuid_entry2::edx;

template <typename... Bits>
constexpr uint32_t bits(Bits... numbers) {
    return ((uint32_t{1} << numbers) | ...);
}

constexpr uint32_t kXsaveLeaf = 0xd;

}  // namespace cpuid
