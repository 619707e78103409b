// /dev/kvm: the host's KVM as a whole. Opened by the machine's set-up on the main thread.
#pragma once

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "monitor/kvm/cpuid.hpp"

class Kvm {
public:
    // Errors: ENOENT, EACCES and the like, each with the remedy.
    static Result<Kvm> open();

    // The same device for somebody else, who cannot open files any more. Errors: EMFILE.
    Result<Kvm> duplicate() const;

    // A descriptor of a new, empty VM. Errors: ENOMEM, EMFILE, EBUSY.
    Result<UniqueFd> create_vm() const;

    // What the host's KVM offers to guests; the same for every VM. Any thread.
    Result<Cpuid> supported_cpuid() const;

    // Size of the structure that a vCPU shares with us, in bytes.
    Result<size_t> vcpu_mapping_size() const;

private:
    explicit Kvm(UniqueFd fd) : fd_(std::move(fd)) {}

    UniqueFd fd_;
};
