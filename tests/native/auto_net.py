"""--net auto and --publish around the embedded guest: what there is while it runs, that nothing is left
however it ends, and the lines that say why there is no network. In a network namespace of each case's own:
this machine's network stays as it is. What passes through is the nested tier's affair (auto_net_cases.py)."""
import ctypes
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

from kit import Skipped, case, expect, expect_equal, expect_refused, mayfly, program

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
CONF = pathlib.Path("/proc/sys/net/ipv4/conf")
CONNECTIONS = """		ct state established,related ct mark MARK accept
		ct state new tcp flags != syn / fin,syn,rst,ack drop
		ct state new ct count over 2048 drop
"""
TABLE = f"""table netdev mayfly0 {{
	flags owner
	chain frames {{
		type filter hook ingress device "mayfly0" priority filter; policy drop;
		@ll,96,16 0x806 @nh,0,48 0x108000604 @nh,112,32 0xac100002 @nh,192,32 0xac100001 limit rate 32/second burst 32 packets accept
		@ll,96,16 0x800 @nh,96,32 0xac100002 accept
	}}
}}
table inet mayfly0 {{
	flags owner
	set peers {{
		type ipv4_addr
		size 256
		flags dynamic,timeout
		timeout 5s
	}}
	chain connect {{
{CONNECTIONS}		ct state new update @peers {{ ip daddr }} ct mark set MARK accept
		drop
	}}
	chain from_guest {{
		type filter hook prerouting priority mangle; policy accept;
		iifname != "mayfly0" accept
		meta nfproto != ipv4 drop
		ip saddr != 172.16.0.2 drop
		ct direction reply ct state established ct mark MARK accept
		ip daddr 172.16.0.1 icmp type echo-request goto connect
		fib daddr type != unicast drop
		ip daddr 198.51.100.0/24 goto connect
		ip daddr 169.254.0.0/16 drop
		ip daddr 168.63.129.16 drop
		ip daddr 100.100.100.200 drop
		ip daddr 192.0.0.192 drop
		ip daddr 10.0.0.0/8 drop
		goto connect
	}}
	chain to_guest {{
		type filter hook forward priority filter; policy accept;
		oifname != "mayfly0" accept
		ct state new ct status ! dnat drop
	}}
	chain marked {{
		type filter hook postrouting priority mangle; policy accept;
		oifname != "mayfly0" accept
{CONNECTIONS}		ct state new ct mark set MARK accept
		ct state invalid ip saddr 172.16.0.1 meta l4proto icmp accept
		drop
	}}
	chain published {{
		type nat hook prerouting priority dstnat; policy accept;
		meta nfproto ipv4 fib daddr type local tcp dport 8080 dnat ip to 172.16.0.2:80
	}}
	chain published_to_host {{
		type nat hook output priority -100; policy accept;
		meta nfproto ipv4 fib daddr type local tcp dport 8080 dnat ip to 172.16.0.2:80
		ip daddr 127.0.0.1 udp dport 5353 dnat ip to 172.16.0.2:53
	}}
	chain masquerade {{
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr 172.16.0.2 oifname != "mayfly0" masquerade
		ip saddr 127.0.0.0/8 oifname "mayfly0" masquerade
	}}
}}
"""


def ip(*words):
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def tables():
    return subprocess.run(["nft", "list", "ruleset"], check=True, capture_output=True, text=True).stdout


def set_sysctl(path, value):
    pathlib.Path("/proc/sys/net", path).write_text(f"{value}\n", encoding="ascii")


class OwnNetwork:
    """This process, and what it starts, in an empty network namespace with nftables; and back."""

    def __enter__(self):
        if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
            raise Skipped("networks need root and /dev/net/tun")
        self.before = os.open("/proc/self/ns/net", os.O_RDONLY)
        if LIBC.unshare(CLONE_NEWNET) != 0:
            os.close(self.before)
            raise Skipped("no network namespace can be made here")
        try:
            ip("link", "set", "lo", "up")
            batch = (
                b"table inet t { chain c { type nat hook postrouting priority 0; fib daddr type local masquerade; }; }"
            )
            done = subprocess.run(["nft", "-c", "-f", "-"], input=batch, capture_output=True, check=False)
            if done.returncode != 0:
                raise Skipped(f"no nf_tables in this kernel: {done.stderr.decode().splitlines()[:1]}")
        except (OSError, subprocess.CalledProcessError, Skipped) as error:
            self.__exit__()
            raise Skipped(str(error)) from None
        return self

    def __exit__(self, *_):
        LIBC.setns(self.before, CLONE_NEWNET)
        os.close(self.before)


class Vm:
    """A guest that spins until it is told to end."""

    def __init__(self, *flags, **more):
        self.process = subprocess.Popen(
            [program(), "run", *flags, "--", "quiet", "loop"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **more,
        )

    def __enter__(self):
        if not self.process.stdout.readline():
            self.process.wait()
            raise AssertionError(f"no guest: {self.process.stderr.read()!r}")
        return self.process

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def interfaces():
    return sorted(name for name in os.listdir(CONF) if name.startswith("mayfly"))


def expect_nothing_left(when, of_keeper=False):
    """The rules are gone with the process. Its TAP is when io_uring has given it back. A keeper that was killed ends
    before its monitor does."""
    give_up = time.monotonic() + 5
    while "mayfly" in tables():
        expect(of_keeper and time.monotonic() < give_up, f"rules are left {when}")
        time.sleep(0.005)
    while interfaces():
        expect(time.monotonic() < give_up, f"{interfaces()} are left {when}")
        time.sleep(0.005)


def without_name_server(text):
    """nft's list without what this machine's resolv.conf adds, comments, blank lines, and this VM's mark."""
    kept = [
        re.sub(r"(ct mark (?:set )?)0x8[0-9a-f]{7}\b", r"\1MARK", re.sub(r"\s*#.*", "", line))
        for line in text.splitlines()
        if not re.search(r"ip daddr \S+ (tcp|udp) dport 53 goto connect", line)
    ]
    return "".join(line + "\n" for line in kept if line.strip())


@case()
def a_network_is_made_and_goes_with_the_vm():
    with OwnNetwork():
        for how in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT):
            net = "auto,mtu=1400,deny=10.0.0.0/8,allow=198.51.100.0/24"
            flags = ["--net", net, "--publish", "8080:80", "--publish", "127.0.0.1:5353:53/udp"]
            with Vm(*flags) as vm:
                expect_equal(without_name_server(tables()), TABLE, "rules")
                expect("172.16.0.1/30" in ip("-br", "address", "show", "mayfly0"), "no address")
                expect("mtu 1400" in ip("link", "show", "mayfly0"), "another MTU")
                for setting in ("forwarding", "route_localnet", "rp_filter", "arp_ignore"):
                    expect_equal((CONF / "mayfly0" / setting).read_text(), "1\n", setting)
                vm.send_signal(how)
                vm.wait()
            expect_nothing_left(f"after signal {how}")


@case()
def the_guest_is_told_its_address():
    with OwnNetwork():
        for flags, address in (
            (["auto"], "172.16.0.2/30,172.16.0.1"),
            (["auto,range=10.9.8.4/30"], "10.9.8.6/30,10.9.8.5"),
        ):
            result = mayfly("run", "--net", *flags, "--cmdline", "a b", "--", "exit=7")
            expect_equal((result.returncode, result.stderr), (7, b""), "status")
            pattern = rb"command line: mayfly\.net=%s(,[0-9.]+)? a b -- exit=7\n" % re.escape(address).encode()
            expect(re.search(pattern, result.stdout), f"{pattern!r} is not in {result.stdout!r}")
            expect_nothing_left("after a quiet end")
        with Vm("--net", "auto"):
            expect_equal((CONF / "mayfly0/route_localnet").read_text(), "0\n", "route_localnet without --publish")


@case()
def frames_leave_by_it():
    with OwnNetwork(), Vm("--net", "auto"):
        result = mayfly("run", "--net", "auto", "--", "quiet", "send-frames=1000")
        expect(b"send-frames: 1000 of 64 bytes" in result.stdout, f"the guest said {result.stdout!r}")


@case()
def many_at_once_have_networks_of_their_own():
    with OwnNetwork():
        vms = [Vm("--net", "auto", *more) for more in ([], ["--jail"], [], ["--publish", "9:9"])]
        try:
            for vm in vms:
                vm.__enter__()
            expect_equal(interfaces(), [f"mayfly{number}" for number in range(4)], "interfaces")
            found = re.findall(r"inet (\S+)/30", ip("address"))
            expect_equal(sorted(found), ["172.16.0.1", "172.16.0.13", "172.16.0.5", "172.16.0.9"], "addresses")
            vms[1].process.kill()
            vms[1].process.wait()
            give_up = time.monotonic() + 5  # its keeper ends before its monitor does
            while (left := len(re.findall(r"table (?:inet|netdev) mayfly\d+", tables()))) != 6:
                expect(time.monotonic() < give_up, f"{left} tables stay")
        finally:
            for vm in vms:
                vm.__exit__()
        expect_nothing_left("after all", of_keeper=True)


@case()
def who_breaks_out_holds_no_socket_to_rule_by():
    with OwnNetwork(), Vm("--net", "auto", "--publish", "8080:80") as vm:
        links = [os.readlink(f"/proc/{vm.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{vm.pid}/fd")]
        expect_equal([link for link in links if link.startswith("socket:")], [], "sockets that the VM's process has")
        expect("table inet mayfly0" in tables(), "and there are no rules")


@case()
def killed_half_way_leaves_nothing():
    with OwnNetwork():
        for delay_us in range(0, 6000, 300):
            vm = subprocess.Popen(
                [program(), "run", "--net", "auto", "--publish", "8080:80", "--", "quiet", "loop"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            end = time.perf_counter() + delay_us / 1e6
            while time.perf_counter() < end:
                pass
            vm.kill()
            vm.wait()
            expect_nothing_left(f"by one that was killed after {delay_us} us")


@case()
def ports_that_are_taken():
    with OwnNetwork():
        auto = ["run", "--net", "auto", "--publish"]
        with socket.socket() as server:
            server.bind(("127.0.0.1", 8080))
            server.listen()
            expect_refused(mayfly(*auto, "8080:80"), "8080:80", "--publish", "in use", "another program or VM")
            expect_nothing_left("by one that was refused")
            with Vm("--net", "auto", "--publish", "8081:80"):
                expect_refused(mayfly(*auto, "127.0.0.1:8081:81"), "127.0.0.1:8081:81", "in use")
                with socket.socket() as late:
                    expect(late.connect_ex(("127.0.0.1", 8080)) == 0, "the other server is out of reach")
                try:
                    with socket.socket() as late:
                        late.bind(("0.0.0.0", 8081))
                    expect(False, "a published port can be bound")
                except OSError:
                    pass
        expect_refused(mayfly(*auto, "198.51.100.1:80:80"), "198.51.100.1:80:80", "no such address")
        expect_equal(mayfly(*auto, "8081:80", "--", "quiet", "exit=5").returncode, 5, "status once the port is free")


@case()
def as_many_ports_as_one_likes():
    with OwnNetwork():
        flags = [word for port in range(1000, 1100) for word in ("--publish", f"{port}:{port}")]
        with Vm("--net", "auto", *flags):
            expect_equal(
                len(re.findall(r"dnat ip to 172.16.0.2:1\d\d\d", tables())), 200, "rules of 100 ports, in two chains"
            )
            expect_refused(mayfly("run", "--net", "auto", "--publish", "1099:80"), "1099:80", "in use")
        expect_nothing_left("of 100 ports")


@case()
def hosts_that_it_does_not_fit_into():
    with OwnNetwork():
        ip("tuntap", "add", "mfd", "mode", "tap")
        ip("link", "set", "mfd", "up")
        ip("address", "add", "192.0.2.1/24", "dev", "mfd")
        ip("route", "add", "172.16.0.0/12", "dev", "mfd")
        expect_refused(mayfly("run", "--net", "auto"), "--net auto", "in use", "range=")
        expect_equal(mayfly("run", "--net", "auto,range=10.1.0.0/16", "--", "quiet", "exit=6").returncode, 6, "status")
        ip("route", "delete", "172.16.0.0/12")
        ip("route", "add", "default", "via", "192.0.2.2")
        set_sysctl("ipv4/ip_forward", 0)
        expect_refused(mayfly("run", "--net", "auto"), "--net auto", "net.ipv4.ip_forward", "sysctl -w")
        set_sysctl("ipv4/conf/mfd/forwarding", 1)
        expect_equal(
            mayfly("run", "--net", "auto", "--", "quiet", "exit=6").returncode, 6, "with forwarding by the uplink alone"
        )
        with Vm("--net", "auto,range=10.1.0.0/30"):
            expect_refused(
                mayfly("run", "--net", "auto,range=10.1.0.0/30"), "--net auto", "range", "all of its networks"
            )
        expect_nothing_left("by those that were refused")


@case()
def somebody_elses_table_stays():
    with OwnNetwork():
        subprocess.run(["nft", "add", "table", "inet", "mayfly0"], check=True)
        expect_refused(mayfly("run", "--net", "auto"), "--net auto", "nf_tables", "nft list tables")
        expect("mayfly0" in tables(), "it was removed")


@case(needs_kvm=False)
def without_the_capability_it_says_so():
    if os.geteuid() != 0:
        raise Skipped("becoming another user needs root")
    result = mayfly("run", "--net", "auto", user=65534, group=65534, extra_groups=[])
    expect_refused(result, "--net auto", "CAP_NET_ADMIN", "tap=NAME")


@case(needs_kvm=False)
def what_does_not_go_together():
    expect_refused(mayfly("run", "--publish", "80:80"), "80:80", "--net auto")
    expect_refused(mayfly("run", "--net", "tap=x", "--publish", "80:80"), "80:80", "--net auto")
    expect_refused(mayfly("run", "--net", "auto", "--net", "auto"), "--net", "one NIC")
    expect_refused(mayfly("run", "--net", "auto", "--publish", "80"), "80", "HOSTPORT:GUESTPORT")
    expect_refused(mayfly("run", "--net", "auto,range=1"), "range=1", "prefix")
    expect_refused(mayfly("run", "--net", "auto", "--publish", "80:1", "--publish", "80:2"), "80:2", "twice")
