// Drives and NICs: io_uring, without which plain system calls do the same more slowly.

#include "monitor/doctor/check.hpp"

namespace {

const char* ring_remedy(const Host& host, const Error& error) {
    constexpr uint64_t kOnlyAGroup = 1;
    constexpr uint64_t kNobody = 2;
    const auto disabled = host.files.number("proc/sys/kernel/io_uring_disabled");
    if (disabled.ok() && disabled.value() == kNobody) return "sysctl kernel.io_uring_disabled=0";
    if (disabled.ok() && disabled.value() == kOnlyAGroup && host.answers.user != 0)
        return "sysctl kernel.io_uring_disabled=0, or kernel.io_uring_group=GID of the VMs' users";
    return error.hint == nullptr ? "see dmesg" : error.hint;
}

Finding io_uring(const Host& host) {
    if (!host.answers.ring.has_value()) return fine("a restricted ring can be made");
    const Error& error = *host.answers.ring;
    return warning(with_reason(error.what, error.code), ring_remedy(host, error));
}

}  // namespace

Findings io_findings(const Host& host) {
    Findings found;
    found.push_back({"io-uring", io_uring(host)});
    return found;
}
