"""virtio-net with a stock Linux over a TAP: reachability, bulk data both ways, offloads, bridges, and a TAP
that goes away."""

import hashlib
import http.client
import http.server
import os
import re
import subprocess
import threading

from checks import check, report_of
from kit import Failed, case
from disk_cases import INITRD, check_quiet, power_off, random_disk, sh

MIB = 1 << 20
HOST, GUEST = "10.77.0.1", "10.77.0.2"


def make_tap(name, *, address=None, mtu=1500, bridge=None):
    sh("ip", "tuntap", "add", name, "mode", "tap")
    sh("ip", "link", "set", name, "mtu", str(mtu), "up")
    if address:
        sh("ip", "address", "add", f"{address}/24", "dev", name)
    if bridge:
        sh("ip", "link", "set", name, "master", bridge)


class Link:
    """A TAP with the host's address on it, gone with the case."""

    def __init__(self, name, **more):
        self.name, self.more = name, more

    def __enter__(self):
        make_tap(self.name, **{"address": HOST, **self.more})
        return self

    def __exit__(self, *_):
        subprocess.run(["ip", "link", "delete", self.name], check=False, capture_output=True)


def start(t, nics, cmdline="", address=GUEST, memory_mib=256, **more):
    flags = [word for nic in nics for word in ("--net", nic)]
    guest = t.start(
        "cloud.vmlinux",
        f"quiet {cmdline}".strip(),
        initrd=INITRD,
        stdin="pipe",
        more=flags,
        memory_mib=memory_mib,
        **more,
    )
    report_of(guest)
    guest.ask("PS1='# '; dmesg -n 3; echo ready-$((1 + 1))", rb"ready-2")
    guest.ask(
        f"ip link set lo up; ip link set eth0 up; ip address add {address}/24 dev eth0; echo up-$((40 + 2))", rb"up-42"
    )
    return guest


def ping(address, *more):
    sh("busybox", "ping", "-c", "3", "-W", "5", *more, address)


class Source(http.server.BaseHTTPRequestHandler):
    """Serves `chunk`, `times` times."""

    chunk, times = b"", 0

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.chunk) * self.times))
        self.end_headers()
        for _ in range(self.times):
            self.wfile.write(self.chunk)

    def log_message(self, *_):
        pass


def get(path):
    """What the guest's web server answers, as (size, checksum)."""
    connection = http.client.HTTPConnection(GUEST, 80, timeout=60)
    connection.request("GET", path)
    response = connection.getresponse()
    digest, size = hashlib.sha1(), 0
    while data := response.read(MIB):
        digest.update(data)
        size += len(data)
    return size, digest.hexdigest()


@case(when="quick")
def net_http(t):
    """The guest answers pings and serves a file over HTTP."""
    t.needs_mayfly("network")
    with Link("mf0"):
        guest = start(t, ["tap=mf0,mac=02:00:5e:00:53:01"])
        guest.ask("cat /sys/class/net/eth0/address", rb"02:00:5e:00:53:01")
        ping(GUEST)
        guest.ask("httpd -p 80 -h /bin; echo serving-$((40 + 2))", rb"serving-42")
        with open("/bin/busybox", "rb") as file:
            body = file.read()
        check("size and checksum of what was served", get("/busybox"), (len(body), hashlib.sha1(body).hexdigest()))
        power_off(guest)
        check_quiet(guest)


@case(limit_s=400)
def net_bulk(t):
    """A hundred megabytes over TCP, both ways, with their checksums."""
    t.needs_mayfly("network")
    with open("/bin/busybox", "rb") as file:
        Source.chunk = file.read()
    Source.times = 100 * MIB // len(Source.chunk) + 1
    digest = hashlib.sha1()
    for _ in range(Source.times):
        digest.update(Source.chunk)
    wanted = (len(Source.chunk) * Source.times, digest.hexdigest())
    with Link("mf1"), http.server.HTTPServer((HOST, 5001), Source) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        guest = start(t, ["tap=mf1"], memory_mib=512)
        guest.ask(f"wget -q -O /tmp/big http://{HOST}:5001/big; echo received-$?", rb"received-0", 150)
        found = guest.ask("wc -c < /tmp/big; sha1sum /tmp/big", rb"(\d+)\r*\n([0-9a-f]{40})  /tmp", 150)
        check("size and checksum in the guest", (int(found[1]), found[2].decode()), wanted)
        guest.ask("httpd -p 80 -h /tmp; echo serving-$((40 + 2))", rb"serving-42")
        check("size and checksum from the guest", get("/big"), wanted)
        server.shutdown()
        power_off(guest)
        check_quiet(guest)


def iperf(guest, *more):
    """Bits a second of two seconds of TCP from the host."""
    done = sh("iperf3", "-c", GUEST, "-t", "2", "-f", "m", *more)
    found = re.search(r"([0-9.]+) Mbits/sec.*receiver", done)
    if not found or float(found[1]) <= 0:
        raise Failed(f"iperf3 said: {done}")
    return float(found[1])


@case(limit_s=400)
def net_iperf3(t):
    """iperf3 both ways with the offloads on and off; the monitor's words stay none."""
    t.needs_mayfly("network")
    for words in ("", "mayfly.virtio_net.ko=csum=0,gso=0"):
        with Link("mf2"):
            guest = start(t, ["tap=mf2"], words)
            guest.ask("LD_LIBRARY_PATH=/lib/x86_64-linux-gnu iperf3 -s -D; echo iperf-$?", rb"iperf-0")
            iperf(guest)
            iperf(guest, "-R")
            power_off(guest)
            check_quiet(guest)


@case(limit_s=400)
def net_and_disk_share(t):
    """A disk that crawls stops neither the network nor the console; a flooded NIC does not starve the disk."""
    t.needs_mayfly("network")
    slow, quick = random_disk(t, "slow.img", 4 * MIB) + ",ops=2", random_disk(t, "quick.img", 16 * MIB)
    with Link("mf8"):
        flags = ["--disk", slow, "--disk", quick, "--net", "tap=mf8"]
        guest = t.start("cloud.vmlinux", "quiet", initrd=INITRD, stdin="pipe", memory_mib=256, more=flags)
        report_of(guest)
        guest.ask("PS1='# '; dmesg -n 3; echo ready-$((1 + 1))", rb"ready-2")
        guest.ask(f"ip link set eth0 up; ip address add {GUEST}/24 dev eth0; echo up-$((40 + 2))", rb"up-42")
        guest.send(b"dd if=/dev/vda of=/dev/null bs=4096 count=1000 iflag=direct 2>/dev/null &\n")
        ping(GUEST)
        guest.ask("echo alive-$((40 + 2))", rb"alive-42", 10)
        guest.ask("LD_LIBRARY_PATH=/lib/x86_64-linux-gnu iperf3 -s -D; echo iperf-$?", rb"iperf-0")
        flood = subprocess.Popen(
            ["iperf3", "-c", GUEST, "-u", "-b", "0", "-l", "64", "-t", "15"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            guest.ask(
                "dd if=/dev/vdb of=/dev/null bs=64k iflag=direct 2>/dev/null; echo read-$((40 + 2))", rb"read-42", 60
            )
        finally:
            flood.kill()
            flood.wait()
        guest.send(b"poweroff -f\n")
        guest.expect_status(0)
        check_quiet(guest)


@case()
def net_bridge(t):
    """Two guests on a bridge reach each other."""
    t.needs_mayfly("network")
    sh("ip", "link", "add", "mfbr", "type", "bridge")
    try:
        sh("ip", "link", "set", "mfbr", "up")
        make_tap("mf3", bridge="mfbr")
        make_tap("mf4", bridge="mfbr")
        first = start(t, ["tap=mf3"], address="10.77.1.1", memory_mib=128)
        second = start(t, ["tap=mf4"], address="10.77.1.2", memory_mib=128)
        first.ask("ping -c 3 10.77.1.2", rb"3 packets received", 30)
        second.ask("ping -c 3 10.77.1.1", rb"3 packets received", 30)
        power_off(first)
        power_off(second)
    finally:
        for name in ("mf3", "mf4", "mfbr"):
            subprocess.run(["ip", "link", "delete", name], check=False, capture_output=True)


@case()
def net_tap_goes_away(t):
    """The interface is deleted under a running guest: one clear line, and the guest lives on."""
    t.needs_mayfly("network")
    with Link("mf5"):
        guest = start(t, ["tap=mf5"])
        ping(GUEST)
        sh("ip", "link", "delete", "mf5")
        guest.ask("ping -c 1 -W 1 10.77.0.1; echo pinged-$((40 + 2))", rb"pinged-42", 30)
        guest.ask("cat /sys/class/net/eth0/carrier", rb"\n0\r*\n", 30)
        if "tap" not in guest.monitor_words():
            raise Failed(f"the monitor said {guest.monitor_words() or 'nothing'}")
        check("lines on stderr", len(guest.monitor_words().splitlines()), 1)
        power_off(guest)


@case()
def net_mtu_9000(t):
    """The guest takes the MTU that it is told, and large frames pass unbroken."""
    t.needs_mayfly("network")
    with Link("mf6", mtu=9000):
        guest = start(t, ["tap=mf6,mtu=9000"])
        guest.ask("cat /sys/class/net/eth0/mtu", rb"\n9000\r*\n")
        ping(GUEST, "-s", "8900")
        power_off(guest)
        check_quiet(guest)


@case()
def net_inherited_fd(t):
    """A TAP whose descriptor the monitor inherits."""
    t.needs_mayfly("network")
    import fcntl
    import struct

    with Link("mf7"):
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        tap_no_pi_vnet_hdr = 0x0002 | 0x1000 | 0x4000
        fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", b"mf7", tap_no_pi_vnet_hdr))
        os.set_inheritable(tap, True)
        try:
            guest = start(t, [f"fd={tap}"], keep_open=[tap])
        finally:
            os.close(tap)
        ping(GUEST)
        power_off(guest)
        check_quiet(guest)
