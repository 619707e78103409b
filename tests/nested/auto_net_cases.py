"""--net auto and --publish with a stock Linux: out by NAT, in by published ports, not where a guest should
not get, two at once, and nothing left behind however the monitor ends.

The host is this machine; "outside" is a network namespace behind its uplink, which knows no way back to the
guests' addresses: what comes back, came by NAT."""

import os
import re
import signal
import subprocess
import time

from checks import check, report_of
from kit import Failed, case
from disk_cases import INITRD, check_quiet, power_off, sh

HOST, OUTSIDE = "192.0.2.1", "192.0.2.2"
SERVER = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"hello " + self.client_address[0].encode() + b"\\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
server = http.server.HTTPServer((sys.argv[1], int(sys.argv[2])), Answer)
print("serving", flush=True)
server.serve_forever()
"""


# Not wget's own -T: with it, Debian's busybox crashes.
GET = ("busybox", "timeout", "10", "busybox", "wget", "-q", "-O", "-")


class Uplink:
    """The host's way outside and a web server there, for the time of a case. Whoever asks it, is told the
    address it sees."""

    def __enter__(self):
        self.forward = open("/proc/sys/net/ipv4/ip_forward", encoding="ascii").read()
        self.servers = []
        try:
            sh("ip", "netns", "add", "mfout")
            sh("ip", "link", "add", "mfup", "type", "veth", "peer", "name", "mfdown", "netns", "mfout")
            sh("ip", "address", "add", f"{HOST}/24", "dev", "mfup")
            sh("ip", "link", "set", "mfup", "up")
            sh("ip", "-n", "mfout", "address", "add", f"{OUTSIDE}/24", "dev", "mfdown")
            sh("ip", "-n", "mfout", "link", "set", "mfdown", "up")
            sh("ip", "route", "add", "default", "via", OUTSIDE)
            sh("sysctl", "-qw", "net.ipv4.ip_forward=1")
            self.serve(OUTSIDE, 80, "ip", "netns", "exec", "mfout")
            self.serve("0.0.0.0", 9000)
        except BaseException:
            self.__exit__()
            raise
        return self

    def serve(self, address, port, *wrapper):
        server = subprocess.Popen([*wrapper, "python3", "-c", SERVER, address, str(port)], stdout=subprocess.PIPE)
        self.servers.append(server)
        server.stdout.readline()

    def __exit__(self, *_):
        for server in self.servers:
            server.kill()
            server.wait()
            server.stdout.close()
        subprocess.run(["ip", "link", "delete", "mfup"], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "delete", "mfout"], check=False, capture_output=True)
        sh("sysctl", "-qw", f"net.ipv4.ip_forward={self.forward.strip()}")

    def get_from_outside(self, url):
        return sh("ip", "netns", "exec", "mfout", *GET, url)


def networks():
    """The VMs' interfaces and tables that there are."""
    interfaces = [name for name in os.listdir("/sys/class/net") if name.startswith("mayfly")]
    return sorted(interfaces), sorted(set(re.findall(r"mayfly\d+", sh("nft", "list", "tables"))))


def expect_networks(wanted):
    give_up = time.monotonic() + 5
    while networks() != (wanted, wanted):
        if time.monotonic() > give_up:
            raise Failed(f"there are {networks()} instead of {wanted}")
        time.sleep(0.01)


def start(t, *flags):
    """A guest that is up, with its address as its command line says, and a web server on port 80."""
    guest = t.start(
        "cloud.vmlinux", "quiet", initrd=INITRD, stdin="pipe", more=["--net", "auto", *flags], memory_mib=192
    )
    report_of(guest)
    guest.ask("PS1='# '; dmesg -n 3; echo ready-$((1 + 1))", rb"ready-2")
    guest.ask(
        "net=$(tr ' ' '\\n' < /proc/cmdline | sed -n s/^mayfly.net=//p); gateway=${net#*,}; gateway=${gateway%%,*}; "
        "ip link set lo up; ip link set eth0 up; ip address add ${net%%,*} dev eth0 && "
        "ip route add default via $gateway && echo up-$((40 + 2))",
        rb"up-42",
    )
    found = guest.ask("echo net is $net", rb"net is (\d+\.\d+\.\d+\.\d+)/30,(\d+\.\d+\.\d+\.\d+)")
    guest.address, guest.gateway = found[1].decode(), found[2].decode()
    guest.ask(
        "mkdir /www; echo page-of-$net > /www/index.html; httpd -p 80 -h /www; echo serving-$((40 + 2))", rb"serving-42"
    )
    return guest


def expect_reaches(guest, url, answer):
    guest.ask(f"timeout 10 wget -q -O - {url}; echo got-$?", answer.encode() + rb"\r*\ngot-0", 60)


def expect_kept_from(guest, url):
    guest.ask(f"timeout 3 wget -q -O - {url}; echo got-$?", rb"got-[1-9]", 60)


@case(when="quick", limit_s=300)
def auto_net_out_and_in(t):
    """Out by NAT; in by published ports from the host and from outside; not to the host itself."""
    t.needs_mayfly("network")
    with Uplink() as uplink:
        guest = start(t, "--publish", "8080:80", "--publish", "127.0.0.1:8081:80")
        page = f"page-of-{guest.address}/30,{guest.gateway}"
        expect_reaches(guest, f"http://{OUTSIDE}/", f"hello {HOST}")
        guest.ask(f"ping -c 2 {OUTSIDE}; ping -c 2 {guest.gateway}", rb"2 packets received.*2 packets received", 30)

        for url in (
            "http://127.0.0.1:8080/",
            f"http://{HOST}:8080/",
            "http://127.0.0.1:8081/",
            f"http://{guest.address}/",
        ):
            if not sh(*GET, url).startswith(page):
                raise Failed(f"{url} is another page than the guest's")
        if not uplink.get_from_outside(f"http://{HOST}:8080/").startswith(page):
            raise Failed("from outside, port 8080 is another page than the guest's")

        # The host's own service is there, and neither its address nor a loopback one leads a guest to it.
        check("the host's own page", sh(*GET, f"http://{HOST}:9000/").strip(), f"hello {HOST}")
        expect_kept_from(guest, f"http://{guest.gateway}:9000/")
        expect_kept_from(guest, f"http://{HOST}:9000/")
        guest.ask(
            "ip address delete 127.0.0.1/8 dev lo; ip route add 127.0.0.1 via $gateway dev eth0; echo way-$?", rb"way-0"
        )
        expect_kept_from(guest, "http://127.0.0.1:9000/")
        # Nor does an address of somebody else's get a packet out.
        guest.ask(
            f"ip address add 192.0.2.77/32 dev eth0; ping -c 2 -W 2 -I 192.0.2.77 {OUTSIDE}",
            rb" 0 packets received",
            30,
        )
        power_off(guest)
        check_quiet(guest)
        expect_networks([])


@case(limit_s=400)
def auto_net_not_in_unasked(t):
    """Who knows the way to a guest's address gets no further than the host, and neither does a neighbour to a
    port that is published on a loopback address."""
    t.needs_mayfly("network")
    with Uplink() as uplink:
        guest = start(t, "--publish", "127.0.0.1:8081:80")
        sh("ip", "-n", "mfout", "route", "add", "172.16.0.0/16", "via", HOST)
        # In a namespace whose lo is down, nothing keeps loopback addresses from being sent to a neighbour.
        sh("ip", "-n", "mfout", "route", "add", "127.0.0.0/8", "via", HOST)
        sh("ip", "netns", "exec", "mfout", "sysctl", "-qw", "net.ipv4.conf.mfdown.route_localnet=1")
        for url in (f"http://{guest.address}/", f"http://{HOST}:8081/", "http://127.0.0.1:8081/"):
            try:
                uplink.get_from_outside(url)
            except Failed:
                continue
            raise Failed(f"from outside, {url} leads to the guest")
        check(
            "the host's page from outside", uplink.get_from_outside(f"http://{HOST}:9000/").strip(), f"hello {OUTSIDE}"
        )
        power_off(guest)
        expect_networks([])


@case(limit_s=500)
def auto_net_two_at_once(t):
    """Two guests, one in a jail: each has a network of its own and cannot get at the other's. One is killed,
    which takes its network away and leaves the other's."""
    t.needs_mayfly("network")
    with Uplink():
        first = start(t, "--publish", "8080:80")
        second = start(t, "--publish", "8081:80", "--jail")
        expect_networks(["mayfly0", "mayfly1"])
        check("the addresses", (first.address, second.address), ("172.16.0.2", "172.16.0.6"))
        for guest in (first, second):
            expect_reaches(guest, f"http://{OUTSIDE}/", f"hello {HOST}")
        expect_kept_from(first, f"http://{second.address}/")
        expect_kept_from(first, f"http://{HOST}:8081/")
        expect_kept_from(second, f"http://{first.address}/")
        first.signal(signal.SIGKILL)
        first.expect_status(-signal.SIGKILL)
        expect_networks(["mayfly1"])
        expect_reaches(second, f"http://{OUTSIDE}/", f"hello {HOST}")
        if "page-of-172.16.0.6" not in sh(*GET, "http://127.0.0.1:8081/"):
            raise Failed("the second's port leads elsewhere since the first is gone")
        power_off(second)
        check_quiet(second)
        expect_networks([])
