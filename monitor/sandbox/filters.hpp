// The system call filters (seccomp(2)) of the process: what each of its threads may still ask of
// the kernel once it can meet a guest. Owned by who runs the machine; constant once made, for any
// thread.
#pragma once

#include <linux/filter.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.hpp"

enum class ThreadRole : uint8_t {
    kMain,
    kSetup,    // main, where there is an API, until the guest runs
    kIo,       // with io_uring
    kIoPlain,  // with ordinary system calls
    kVcpu,
    kVcpuSaved,  // of a VM that may be paused and saved
    kApi,
};

// The section of a policy that is meant: "main", "setup", "io", "io-plain", "vcpu", "vcpu-saved",
// "api".
const char* name_of(ThreadRole role);

class Filters {
public:
    // Those that the binary carries: monitor/policy/*.policy.
    static Filters embedded();

    // None: install() does nothing.
    static Filters none() { return Filters{}; }

    // From a file that mayfly-policy compiled, or from a policy as text, which is then compiled by
    // the mayfly-policy that stands beside this program. Errors: what is wrong with the file.
    static Result<Filters> load(const char* path);

    // Of a compiled file's bytes (filter_file.hpp). A role that is missing keeps the binary's own.
    // Errors: EINVAL.
    static Result<Filters> parse(std::vector<std::byte> bytes);

    Filters(const Filters&) = delete;
    Filters& operator=(const Filters&) = delete;
    Filters(Filters&&) = default;
    Filters& operator=(Filters&&) = default;
    ~Filters() = default;

    // From here on the calling thread makes the calls of `role` and no other: that would raise
    // SIGSYS in it. For good. Precondition: no_new_privs. Errors: as seccomp(2).
    Result<> install(ThreadRole role) const;

private:
    static constexpr size_t kRoles = 7;
    // Each a view of `bytes_` or of the binary.
    using Programs = std::array<std::span<const sock_filter>, kRoles>;

    Filters() = default;
    static Result<Programs> find_programs(std::span<const std::byte> file);

    std::vector<std::byte> bytes_;
    Programs programs_;
};
