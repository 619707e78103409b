#include "virtio/tap.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cstring>

#include "base/io_control.hpp"
#include "virtio/spec.hpp"

// Since Linux 6.2; Debian 12's headers are older.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

namespace {

constexpr uint64_t kChecksums = feature(VIRTIO_NET_F_CSUM) | feature(VIRTIO_NET_F_GUEST_CSUM);
constexpr uint64_t kTso = feature(VIRTIO_NET_F_GUEST_TSO4) | feature(VIRTIO_NET_F_GUEST_TSO6) |
                          feature(VIRTIO_NET_F_GUEST_ECN) | feature(VIRTIO_NET_F_HOST_TSO4) |
                          feature(VIRTIO_NET_F_HOST_TSO6) | feature(VIRTIO_NET_F_HOST_ECN);
constexpr uint64_t kUfo = feature(VIRTIO_NET_F_GUEST_UFO) | feature(VIRTIO_NET_F_HOST_UFO);
constexpr uint64_t kUso = feature(VIRTIO_NET_F_GUEST_USO4) | feature(VIRTIO_NET_F_GUEST_USO6) |
                          feature(VIRTIO_NET_F_HOST_USO);

constexpr uint32_t kEthernetBytes = 14 + 4;  // header and VLAN tag
constexpr uint32_t kUsualMtu = 1500;

unsigned offload_flags(uint64_t features) {
    unsigned flags = 0;
    const auto add = [&](unsigned number, unsigned flag) {
        if ((features & feature(number)) != 0) flags |= flag;
    };
    add(VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM);
    add(VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4);
    add(VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6);
    add(VIRTIO_NET_F_GUEST_ECN, TUN_F_TSO_ECN);
    add(VIRTIO_NET_F_GUEST_UFO, TUN_F_UFO);
    add(VIRTIO_NET_F_GUEST_USO4, TUN_F_USO4);
    add(VIRTIO_NET_F_GUEST_USO6, TUN_F_USO6);
    return flags;
}

void set_name(ifreq& request, const char* name) {
    std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
}

// Asks the kernel something about the interface that `request` names. (if_nametoindex(3) would do
// for one of the questions, and bring a netlink library with it.)
Result<> ask_interface(unsigned long question, ifreq& request) {
    const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket || io_control(socket.get(), question, &request) != 0)
        return Error::from_errno("interface");
    return Ok{};
}

uint32_t mtu_of(const ifreq& named) {
    ifreq request = named;
    if (!ask_interface(SIOCGIFMTU, request).ok() || request.ifr_mtu < 0) return kUsualMtu;
    return static_cast<uint32_t>(request.ifr_mtu);
}

const char* hint_to_open(int code) {
    return code == EACCES || code == EPERM
               ? "see its mode, whether its mount has nodev, and the cgroup's list of devices"
               : "load the module tun";
}

Error attach_error(int code) {
    switch (code) {
        case EBUSY:
            return {"tap", 0, "is in use by another process; give each VM its own"};
        case EINVAL:
            return {"tap", 0, "is no single-queue TAP; make one with: ip tuntap add NAME mode tap"};
        case EPERM:
            return {"tap", code, "may not be used by this user; see: ip tuntap add ... user NAME"};
        default:
            return {"TUNSETIFF", code};
    }
}

}  // namespace

Result<Tap> Tap::open(const char* name, IfMissing if_missing, Patience patience) {
    if (std::strlen(name) >= IFNAMSIZ)
        return Error{"tap", 0, "has too long a name; 15 characters are the most"}.about(name);
    ifreq request{};
    set_name(request, name);
    // TUNSETIFF makes one that is missing, and takes it away again at our end.
    const bool is_there = ask_interface(SIOCGIFINDEX, request).ok();
    const Error missing{"tap", 0, "does not exist; make it with: ip tuntap add NAME mode tap"};
    if (!is_there && if_missing == IfMissing::kFail) return missing.about(name);
    UniqueFd fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
    if (!fd && !is_there) return missing.about(name);
    if (!fd) return Error::from_errno("/dev/net/tun", hint_to_open(errno)).about(name);
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    const int attached = while_busy([&] { return io_control(fd.get(), TUNSETIFF, &request); },
                                    EBUSY, static_cast<int>(patience));
    // EINVAL: no interface can have that name.
    if (!is_there && (attached == EPERM || attached == EINVAL)) return missing.about(name);
    if (attached != 0) return attach_error(attached).about(name);
    Tap tap(std::move(fd));
    const Result<> done = tap.set_up();
    if (!done.ok()) return done.error().about(name);
    return tap;
}

Result<Tap> Tap::inherit(int fd) {
    if (::fcntl(fd, F_GETFD) < 0)
        return Error{"fd", 0, "is not open; let mayfly inherit a TAP's descriptor"};
    // What is no TAP is not ours to close: it may be stderr, which has yet to say so.
    ifreq request{};
    if (io_control(fd, TUNGETIFF, &request) != 0)
        return Error{"fd", 0, "is no TAP that was attached to an interface"};
    Tap tap{UniqueFd(fd)};
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags >= 0) ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    TRY(tap.set_up());
    return tap;
}

Result<> Tap::set_up() {
    ifreq request{};
    if (io_control(fd(), TUNGETIFF, &request) != 0) return Error::from_errno("TUNGETIFF");
    constexpr int kWanted = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if ((request.ifr_flags & kWanted) != kWanted)
        return Error{"tap", 0, "needs the flags IFF_TAP, IFF_NO_PI and IFF_VNET_HDR"};
    int header_bytes = sizeof(virtio_net_hdr_v1);
    if (io_control(fd(), TUNSETVNETHDRSZ, &header_bytes) != 0)
        return Error::from_errno("TUNSETVNETHDRSZ");
    frame_bytes_ = mtu_of(request) + kEthernetBytes;

    // Most capable first: the kernel takes all of a set or none.
    for (const uint64_t features : {kChecksums | kTso | kUfo | kUso, kChecksums | kTso | kUfo,
                                    kChecksums | kTso, kChecksums, uint64_t{0}}) {
        if (io_control(fd(), TUNSETOFFLOAD, offload_flags(features)) != 0) continue;
        offloads_ = features;
        break;
    }
    return use(0);
}

Result<> Tap::use(uint64_t features) const {
    if (offloads_ == 0) return Ok{};  // and so none was negotiated
    if (io_control(fd(), TUNSETOFFLOAD, offload_flags(features)) != 0)
        return Error::from_errno("TUNSETOFFLOAD");
    return Ok{};
}
