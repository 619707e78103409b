// A TAP interface of the host: opened or inherited, and set up for frames that carry the
// virtio-net header (Linux Documentation/networking/tuntap.rst). What passes through it goes
// through the I/O engine, by its descriptor.
//
// The descriptor is non-blocking, and who reads from it polls: to io_uring a TAP of many kernels
// (6.1 among them) is a file that may block, and each access would have a thread of its own.
//
// Opened on the main thread, before the guest runs; owned by its network device.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "base/while_busy.hpp"

class Tap {
public:
    static constexpr uint16_t kMinMtu = 68;  // RFC 791

    // kMake: where the process may, which takes CAP_NET_ADMIN; the interface is down, and goes with
    // the descriptor.
    enum class IfMissing : uint8_t { kFail, kMake };

    // Attaches to the interface `name`. Errors, each about `name`: it does not exist; EBUSY; not a
    // TAP; multi-queue; as open(2) of /dev/net/tun and TUNSETIFF.
    static Result<Tap> open(const char* name, IfMissing if_missing = IfMissing::kFail,
                            Patience patience = Patience::kOfStart);

    // Takes over the descriptor of a TAP that the caller's parent has attached to an interface. It
    // becomes non-blocking. Errors: EBADF; not a TAP; without
    // IFF_NO_PI or IFF_VNET_HDR.
    static Result<Tap> inherit(int fd);

    // A descriptor that keeps frames apart as a TAP does, and does no offloads, whatever it says of
    // them: a datagram socket, in tests.
    static Tap of(UniqueFd fd, uint32_t frame_bytes, uint64_t offloads = 0) {
        Tap tap(std::move(fd));
        tap.frame_bytes_ = frame_bytes;
        tap.offloads_ = offloads;
        return tap;
    }

    int fd() const { return fd_.get(); }

    // Largest frame without its header that arrives if the guest takes no offloads: the
    // interface's MTU now, and an Ethernet header with a VLAN tag.
    uint32_t frame_bytes() const { return frame_bytes_; }

    // What this host's TAPs can do: VIRTIO_NET_F_* bits of CSUM, TSO, UFO and USO, both ways.
    uint64_t offloads() const { return offloads_; }

    // The kernel may hand over frames as the driver has said that it takes them: `features`, as
    // negotiated. Errors: as TUNSETOFFLOAD.
    Result<> use(uint64_t features) const;

private:
    explicit Tap(UniqueFd fd) : fd_(std::move(fd)) {}

    Result<> set_up();

    UniqueFd fd_;
    uint32_t frame_bytes_ = 0;
    uint64_t offloads_ = 0;
};
