"""A guest of --net auto that is this program: it has a VM's TAP, whose embedded guest leaves the NIC alone,
and writes frames that no driver would; and the host's way outside, of which it is the far end."""
import ctypes
import os
import re
import select
import socket
import struct
import subprocess
import time

from kit import Skipped, expect

SYS_PIDFD_GETFD = 438
VNET_HEADER_BYTES = 12
IPV4, ARP, IPV6, VLAN = 0x0800, 0x0806, 0x86DD, 0x8100
ICMP, TCP, UDP = 1, 6, 17
SYN, ACK, PSH = 0x02, 0x10, 0x08
HOST_OUTSIDE, OUTSIDE = "192.0.2.1", "192.0.2.2"
GUEST_MAC, OUTSIDE_MAC = b"\x02\x00\x5e\x00\x53\x01", b"\x02\x00\x5e\x00\x53\x02"
LIBC = ctypes.CDLL(None, use_errno=True)


def ip_command(*words):
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def mac_text(mac):
    return ":".join(f"{byte:02x}" for byte in mac)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[: len(data) & ~1])) + (data[-1] << 8 if len(data) & 1 else 0)
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def ipv4(source, destination, protocol, payload):
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 7, 0x4000, 64, protocol, 0)
    header += socket.inet_aton(source) + socket.inet_aton(destination)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def udp(source, destination, source_port, port, data=b"data"):
    """With no checksum, which UDP allows."""
    return ipv4(source, destination, UDP, struct.pack("!HHHH", source_port, port, 8 + len(data), 0) + data)


def tcp(source, destination, source_port, port, flags, seq=0, ack=0, data=b""):
    segment = struct.pack("!HHIIBBHHH", source_port, port, seq, ack, 5 << 4, flags, 65535, 0, 0) + data
    pseudo = socket.inet_aton(source) + socket.inet_aton(destination) + struct.pack("!BBH", 0, TCP, len(segment))
    return ipv4(source, destination, TCP, segment[:16] + struct.pack("!H", checksum(pseudo + segment)) + segment[18:])


def icmp(source, destination, kind, code, rest, data=b""):
    message = struct.pack("!BBHI", kind, code, 0, rest) + data
    message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
    return ipv4(source, destination, ICMP, message)


def arp_request(sender, target, mac=GUEST_MAC):
    addresses = mac + socket.inet_aton(sender) + bytes(6) + socket.inet_aton(target)
    return struct.pack("!HHBBH", 1, IPV4, 6, 4, 1) + addresses


class Packet:
    """An IPv4 packet that came."""

    def __init__(self, data):
        self.source, self.destination = socket.inet_ntoa(data[12:16]), socket.inet_ntoa(data[16:20])
        self.protocol = data[9]
        self.payload = data[20 : struct.unpack("!H", data[2:4])[0]]
        self.source_port, self.port = struct.unpack("!HH", self.payload[:4])
        self.data = self.payload[8:] if self.protocol == UDP else self.payload[20:]
        self.flags = self.payload[13] if self.protocol == TCP else None
        self.seq = struct.unpack("!I", self.payload[4:8])[0] if self.protocol == TCP else None


class Link:
    """Frames to and from something that write() and read_now() stand for."""

    def send(self, packet, kind=IPV4, source=None):
        self.write(self.peer + (source or self.mac) + struct.pack("!H", kind) + packet)

    def frames(self, wait_s):
        end = time.monotonic() + wait_s
        while (left := end - time.monotonic()) > 0:
            if select.select([self.fd], [], [], left)[0]:
                yield self.read_now()

    def next(self, wanted=lambda packet: True, wait_s=2, kind=IPV4):
        """The next packet that is wanted, or None."""
        for frame in self.frames(wait_s):
            if frame[12:14] != struct.pack("!H", kind):
                continue
            packet = Packet(frame[14:]) if kind == IPV4 else frame[14:]
            if wanted(packet):
                return packet
        return None


class TapGuest(Link):
    """The guest of `pid`. Its descriptor would keep the TAP: close it before the VM's end."""

    def __init__(self, pid, address="172.16.0.2", interface="mayfly0"):
        self.address, self.mac, self.interface = address, GUEST_MAC, interface
        self.pid_fd = os.pidfd_open(pid)
        self.number = next(
            int(number)
            for number in os.listdir(f"/proc/{pid}/fd")
            if os.readlink(f"/proc/{pid}/fd/{number}") == "/dev/net/tun"
        )
        self.fd = LIBC.syscall(SYS_PIDFD_GETFD, self.pid_fd, self.number, 0)
        if self.fd < 0:
            raise Skipped("another process's descriptor cannot be had here")
        text = ip_command("link", "show", interface)
        self.peer = bytes.fromhex(re.search(r"link/ether (\S+)", text)[1].replace(":", ""))
        ip_command("neigh", "replace", address, "lladdr", mac_text(self.mac), "dev", interface)

    def write(self, frame):
        os.write(self.fd, bytes(VNET_HEADER_BYTES) + frame)

    def read_now(self):
        return os.read(self.fd, 65536)[VNET_HEADER_BYTES:]

    def close(self):
        os.close(self.fd)
        os.close(self.pid_fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Outside(Link):
    """What is behind the host's uplink, whose far end nobody but this socket listens at. In a network
    namespace of the caller's own."""

    def __init__(self):
        ip_command("link", "add", "mfup", "type", "veth", "peer", "name", "mfdown")
        for name in ("mfup", "mfdown"):
            ip_command("link", "set", name, "up")
        ip_command("address", "add", f"{HOST_OUTSIDE}/24", "dev", "mfup")
        ip_command("neigh", "add", OUTSIDE, "lladdr", mac_text(OUTSIDE_MAC), "dev", "mfup")
        ip_command("route", "add", "default", "via", OUTSIDE)
        with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as forward:
            forward.write("1\n")
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind(("mfdown", 0))
        self.fd, self.mac = self.socket.fileno(), OUTSIDE_MAC
        text = ip_command("link", "show", "mfup")
        self.peer = bytes.fromhex(re.search(r"link/ether (\S+)", text)[1].replace(":", ""))

    def write(self, frame):
        self.socket.send(frame)

    def read_now(self):
        frame, (_, _, direction, _, _) = self.socket.recvfrom(65536)
        return b"" if direction == socket.PACKET_OUTGOING else frame  # not what this one sent

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def opened(guest, outside, source_port, port=80):
    """A TCP connection of the guest's: its other end as the outside sees it."""
    guest.send(tcp(guest.address, OUTSIDE, source_port, port, SYN, seq=100))
    asked = outside.next(lambda it: it.protocol == TCP and it.port == port and it.flags == SYN)
    expect(asked is not None, "nothing of a new connection comes out")
    outside.send(tcp(OUTSIDE, HOST_OUTSIDE, port, asked.source_port, SYN | ACK, seq=900, ack=101))
    answer = guest.next(lambda it: it.protocol == TCP and it.port == source_port)
    expect(answer is not None and answer.flags == SYN | ACK, "its answer does not come in")
    guest.send(tcp(guest.address, OUTSIDE, source_port, port, ACK, seq=101, ack=901))
    expect(outside.next(lambda it: it.protocol == TCP and it.flags == ACK) is not None, "nor does it go on")
    return asked.source_port
