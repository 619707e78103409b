// TAP interfaces for a measurement: made for it, and gone after it. One thread.
#pragma once

#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

// An interface that this process sends through. It goes with the last descriptor.
// Takes frames with a virtio_net_hdr_v1 of 12 bytes in front. It is up. Errors: as open(2) of
// /dev/net/tun and its ioctls; EPERM without CAP_NET_ADMIN.
Result<UniqueFd> open_tap(const char* name);

// An interface that another program is to open. Nobody holds it: it stays until this is destroyed.
class PersistentTap {
public:
    // Errors: as open_tap(). One of that name that is left over from a killed run is taken over.
    static Result<PersistentTap> create(const char* name);

    PersistentTap(const PersistentTap&) = delete;
    PersistentTap& operator=(const PersistentTap&) = delete;
    PersistentTap(PersistentTap&& other) noexcept : name_(std::exchange(other.name_, {})) {}
    PersistentTap& operator=(PersistentTap&&) = delete;
    ~PersistentTap();

private:
    explicit PersistentTap(const char* name) : name_(name) {}

    std::string name_;  // empty: moved from
};
