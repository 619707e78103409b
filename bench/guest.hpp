// What the monitors of a comparison boot. METHOD.md, "mayfly-bench compare". One thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

// How it is entered.
enum class BootProtocol {
    kPvh,       // an ELF with a PVH note
    kBzImage,   // the Linux/x86 boot protocol
    kEmbedded,  // Mayfly's own, in its program
};

// As it lies beside the programs, like all that is shipped with them.
inline constexpr char kStubFile[] = "../lib/mayfly/stub.elf";

struct Guest {
    std::string name;
    BootProtocol protocol;
    std::string image;         // the file; "": in Mayfly's program
    std::string command_line;  // "": none
    std::string marker;        // what it prints first; the clock stops there
    uint64_t memory_mib;
    bool is_linux = false;
    std::string absence{};  // why it cannot run here; "": it can
};

// What find_guest() knows.
inline constexpr const char* kGuestNames[] = {"stub", "unikernel", "kernel", "debian"};

// `kvm` is the module behind /dev/kvm. Errors: there is none of that name.
Result<Guest> find_guest(std::string_view name, std::string_view kvm);

// KVM without hardware virtualization: what a guest's kernel does is interpreted there.
bool is_software_kvm(std::string_view kvm);

// The newest of Debian's kernels in `folder`, a cloud kernel before all others; "": none.
std::string newest_debian_kernel(const char* folder);
