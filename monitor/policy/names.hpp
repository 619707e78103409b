// The names that a policy may use.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// The value of a constant of the kernel's interface, as in "KVM_RUN" or "PROT_READ".
std::optional<uint64_t> find_constant(std::string_view name);

// The number of a system call of x86_64.
std::optional<int> find_system_call(const std::string& name);
