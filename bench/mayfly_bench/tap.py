"""TAP interfaces for a measurement: made for it, and gone after it."""

import contextlib
import errno
import fcntl
import os
import socket
import struct

from .failure import Failure, of_os_error

# <linux/if_tun.h>, <linux/sockios.h>, <linux/if.h>
TUNSETIFF, TUNSETPERSIST, TUNSETVNETHDRSZ = 0x400454CA, 0x400454CB, 0x400454D8
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x2, 0x1000, 0x4000
HEADER_BYTES = 12  # virtio_net_hdr_v1
REMEDIES = {
    errno.EPERM: "this makes TAP interfaces: run it as root",
    errno.EACCES: "this makes TAP interfaces: run it as root",
    errno.EBUSY: "is another measurement running?",
}


def request(name, value=0):
    """struct ifreq with a short in its union."""
    return struct.pack("16sH22x", name.encode(), value)


def attach(name):
    """The interface `name`, which comes to be if it is not there."""
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(tap, TUNSETIFF, request(name, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
    except OSError:
        os.close(tap)
        raise
    return tap


@contextlib.contextmanager
def attached(name):
    """A descriptor of the interface, which is up, takes frames with a virtio_net_hdr_v1 in front, and goes with its last
    descriptor. Errors: it cannot be made; code EPERM without CAP_NET_ADMIN."""
    try:
        tap = attach(name)
    except OSError as error:
        raise of_os_error(f"TAP {name}", error, REMEDIES.get(error.errno, "")) from None
    try:
        set_up(tap, name)
        yield tap
    finally:
        os.close(tap)


def set_up(tap, name):
    try:
        fcntl.ioctl(tap, TUNSETVNETHDRSZ, struct.pack("i", HEADER_BYTES))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as any_socket:
            answer = fcntl.ioctl(any_socket, SIOCGIFFLAGS, request(name))
            (now,) = struct.unpack_from("16xH", answer)
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, request(name, now | IFF_UP))
    except OSError as error:
        raise of_os_error(f"TAP {name}", error, REMEDIES.get(error.errno, "")) from None


@contextlib.contextmanager
def persistent(name):
    """An interface that another program is to open. Nobody holds it: it stays until this is left. One of that name that
    is left over from a killed run is taken over."""
    with attached(name) as tap:
        fcntl.ioctl(tap, TUNSETPERSIST, 1)
    try:
        yield name
    finally:
        with contextlib.suppress(OSError):
            tap = attach(name)
            fcntl.ioctl(tap, TUNSETPERSIST, 0)
            os.close(tap)


@contextlib.contextmanager
def if_allowed(name):
    """The name, or None and a line that says why: a NIC needs a right that its lack does not end a measurement for."""
    with contextlib.ExitStack() as stack:
        try:
            made = stack.enter_context(persistent(name))
        except Failure as failure:
            print(f"without a NIC, and so with one request less: {failure}")
            made = None
        yield made
