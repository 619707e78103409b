#include "bench/tap.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

namespace {

constexpr int kHeaderBytes = 12;  // virtio_net_hdr_v1
constexpr char kNeedsRoot[] = "this makes TAP interfaces: run it as root";
constexpr char kBusy[] = "is another measurement running?";

ifreq request_for(const char* name) {
    ifreq request{};
    std::strncpy(request.ifr_name, name, sizeof request.ifr_name - 1);
    return request;
}

Error tap_error(const char* what) {
    const int code = errno;
    return {what, code,
            code == EPERM || code == EACCES ? kNeedsRoot
            : code == EBUSY                 ? kBusy
                                            : nullptr};
}

// The interface `name`, which comes to be if it is not there.
Result<UniqueFd> attach(const char* name) {
    UniqueFd tap(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
    if (!tap) return tap_error("/dev/net/tun");
    ifreq request = request_for(name);
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (::ioctl(tap.get(), TUNSETIFF, &request) != 0) return tap_error("TUNSETIFF").about(name);
    return tap;
}

Result<> bring_up(const char* name) {
    const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return Error::from_errno("socket");
    ifreq request = request_for(name);
    if (::ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0)
        return tap_error("SIOCGIFFLAGS").about(name);
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0)
        return tap_error("SIOCSIFFLAGS").about(name);
    return Ok{};
}

}  // namespace

Result<UniqueFd> open_tap(const char* name) {
    UniqueFd tap = TRY(attach(name));
    if (::ioctl(tap.get(), TUNSETVNETHDRSZ, &kHeaderBytes) != 0)
        return tap_error("TUNSETVNETHDRSZ").about(name);
    TRY(bring_up(name));
    return tap;
}

Result<PersistentTap> PersistentTap::create(const char* name) {
    const UniqueFd tap = TRY(open_tap(name));
    if (::ioctl(tap.get(), TUNSETPERSIST, 1) != 0) return tap_error("TUNSETPERSIST").about(name);
    return PersistentTap(name);
}

PersistentTap::~PersistentTap() {
    if (name_.empty()) return;
    const auto tap = attach(name_.c_str());
    if (tap.ok()) ::ioctl(tap.value().get(), TUNSETPERSIST, 0);
}
