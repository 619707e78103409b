"""What a hostile guest of --net auto, or of --net tap=,guard=, gets by frames that no driver would write, and who owns
the VM's threads. The guest is this program (tap_guest.py), in a network namespace of each case's own."""
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import time

from auto_net import OwnNetwork, Vm, expect_nothing_left, tables
from kit import case, expect, expect_equal, expect_refused, mayfly, monitor_pid
from puppet import Puppet, thread_called
from tap_guest import (
    ACK,
    ARP,
    HOST_OUTSIDE,
    ICMP,
    IPV4,
    OUTSIDE,
    PSH,
    SYN,
    TCP,
    UDP,
    VLAN,
    Outside,
    TapGuest,
    arp_request,
    icmp,
    ip_command,
    opened,
    tcp,
    udp,
)

SYS_CLOSE = 3
IP_MTU = 14
NO_TIME = 0.4  # long enough for what does not come


def expect_none(link, wanted, what):
    found = link.next(wanted, NO_TIME)
    expect(found is None, f"{what}: {found and vars(found)}")


def is_udp(data):
    return lambda it: it.protocol == UDP and it.data == data


def end(vm, guest):
    guest.close()
    vm.kill()
    vm.wait()
    expect_nothing_left("after a guest")


@case()
def a_new_vm_inherits_no_connection():
    """Of the VM before, whose address it has: neither what its servers nor what its clients send gets in, nor
    does what it sends of their streams get out. Its own between the same ports do."""
    with OwnNetwork(), Outside() as outside:
        with Vm("--net", "auto", "--publish", "8080:80", "--publish", "8053:53/udp") as vm:
            guest = TapGuest(vm.pid)
            nat_port = opened(guest, outside, 40000)
            outside.send(tcp(OUTSIDE, HOST_OUTSIDE, 50000, 8080, SYN, seq=1))
            expect(guest.next(lambda it: it.protocol == TCP and it.port == 80), "no published port")
            guest.send(tcp(guest.address, OUTSIDE, 80, 50000, SYN | ACK, seq=7, ack=2))
            expect(outside.next(lambda it: it.protocol == TCP and it.source_port == 8080), "no answer by it")
            outside.send(tcp(OUTSIDE, HOST_OUTSIDE, 50000, 8080, ACK, seq=2, ack=8))
            outside.send(udp(OUTSIDE, HOST_OUTSIDE, 50001, 8053, b"first"))
            expect(guest.next(is_udp(b"first")), "no published port of UDP")
            guest.send(udp(guest.address, OUTSIDE, 53, 50001, b"answer"))
            expect(outside.next(is_udp(b"answer")), "no answer by UDP")
            end(vm, guest)

        def send_into(guest, to):
            outside.send(tcp(OUTSIDE, HOST_OUTSIDE, 80, nat_port, ACK | PSH, 901, 101, b"secret"))
            outside.send(tcp(OUTSIDE, HOST_OUTSIDE, 50000, 8080, ACK | PSH, 2, 8, b"secret"))
            expect_none(guest, lambda it: it.protocol == TCP and it.data == b"secret", f"a stream comes to {to}")

        with Vm("--net", "auto", "--publish", "8080:80", "--publish", "8053:53/udp") as vm:
            guest = TapGuest(vm.pid)
            send_into(guest, "the one with the same port")
            outside.send(udp(OUTSIDE, HOST_OUTSIDE, 50001, 8053, b"second"))
            expect(guest.next(is_udp(b"second")), "a client of before cannot get at the port's new owner")
            outside.send(tcp(OUTSIDE, HOST_OUTSIDE, 50000, 8080, SYN, seq=1))
            expect(guest.next(lambda it: it.protocol == TCP and it.flags == SYN), "nor by TCP")
            end(vm, guest)
        with Vm("--net", "auto") as vm:
            guest = TapGuest(vm.pid)
            send_into(guest, "the next guest")
            outside.send(udp(OUTSIDE, HOST_OUTSIDE, 50001, 8053, b"third"))
            expect_none(guest, is_udp(b"third"), "what goes to a published port of before comes in")
            guest.send(tcp(guest.address, OUTSIDE, 40000, 80, ACK | PSH, 101, 901, b"forged"))
            guest.send(tcp(guest.address, OUTSIDE, 80, 50000, ACK | PSH, 8, 2, b"forged"))
            expect_none(outside, lambda it: it.protocol == TCP and it.data == b"forged", "it goes on with a stream")
            opened(guest, outside, 40000)
            end(vm, guest)


@case()
def what_the_host_still_knows_of_a_former_guest_stays_with_it():
    """Where the entries could not be removed: the mark alone."""
    with OwnNetwork(), Outside() as outside:
        with Vm("--net", "auto") as vm:
            guest = TapGuest(vm.pid)
            mark = int(re.search(r"ct mark set (0x[0-9a-f]+)", tables())[1], 16)
            # As one that was there before has it, since it is no longer this VM's.
            subprocess.run(
                ["nft", "-f", "-"],
                input="table ip other {\n chain c {\n type filter hook prerouting priority -140\n"
                f" udp sport 41000 ct mark set {mark ^ 1:#x}\n }}\n}}\n",
                text=True,
                check=True,
            )
            guest.send(udp(guest.address, OUTSIDE, 41000, 53, b"out"))
            asked = outside.next(is_udp(b"out"))
            expect(asked is not None, "nothing comes out")
            outside.send(udp(OUTSIDE, HOST_OUTSIDE, 53, asked.source_port, b"in"))
            expect_none(guest, is_udp(b"in"), "what has another's mark comes in")
            guest.close()


@case()
def errors_about_other_connections_go_nowhere():
    """Forged ICMP errors: to the host's own sockets, its path MTU, another VM. Those about its own go out."""
    with OwnNetwork(), Outside() as outside, socket.socket(type=socket.SOCK_DGRAM) as own:
        own.bind((HOST_OUTSIDE, 7000))
        own.connect((OUTSIDE, 7001))
        own.send(b"own")
        ours = outside.next(is_udp(b"own"))
        expect(ours is not None, "the host's own does not go out")
        with Vm("--net", "auto", "--publish", "8053:53/udp") as vm, Vm("--net", "auto") as other_vm:
            guest, other = TapGuest(vm.pid), TapGuest(other_vm.pid, "172.16.0.6", "mayfly1")
            own.send(b"own")  # conntrack knows it since there is a VM
            quoted = udp(HOST_OUTSIDE, OUTSIDE, 7000, 7001, b"own")
            guest.send(icmp(guest.address, HOST_OUTSIDE, 3, 3, 0, quoted))
            guest.send(icmp(guest.address, HOST_OUTSIDE, 3, 4, 600, quoted))
            time.sleep(NO_TIME)
            expect_equal(own.getsockopt(socket.SOL_IP, IP_MTU), 1500, "the host's path MTU")
            own.send(b"own")  # would tell an error
            other.send(udp(other.address, OUTSIDE, 42000, 53, b"other"))
            expect(outside.next(is_udp(b"other")), "the other does not get out")
            guest.send(icmp(guest.address, other.address, 3, 3, 0, udp(other.address, OUTSIDE, 42000, 53, b"other")))
            expect_none(other, lambda it: it.protocol == ICMP, "another guest is told an error")
            # To the host about a connection of the host to it, which would shorten the way to 127.0.0.1.
            with socket.socket(type=socket.SOCK_DGRAM) as to_guest:
                to_guest.connect(("127.0.0.1", 8053))
                to_guest.send(b"asked")
                asked = guest.next(is_udp(b"asked"))
                expect(asked, "the host does not reach a published port")
                quoted = udp(asked.source, guest.address, asked.source_port, 53, b"asked")
                guest.send(icmp(guest.address, asked.source, 3, 4, 600, quoted))
                time.sleep(NO_TIME)
                expect(to_guest.getsockopt(socket.SOL_IP, IP_MTU) > 600, "the way to 127.0.0.1 is shorter")
                to_guest.send(b"again")
                expect(guest.next(is_udp(b"again")), "the host reaches it no more")
            outside.send(udp(OUTSIDE, HOST_OUTSIDE, 50001, 8053, b"asked"))
            expect(guest.next(is_udp(b"asked")), "nobody outside reaches a published port")
            guest.send(icmp(guest.address, OUTSIDE, 3, 3, 0, udp(OUTSIDE, guest.address, 50001, 53, b"asked")))
            expect(outside.next(lambda it: it.protocol == ICMP and it.source == HOST_OUTSIDE), "no error of its own")
            guest.close()
            other.close()


@case(alone="the table of neighbours is one for the whole machine")
def arp_is_the_guests_own():
    with OwnNetwork(), Outside(), Vm("--net", "auto") as vm, TapGuest(vm.pid) as guest:
        ip_command("neigh", "flush", "dev", "mayfly0")
        before = len(ip_command("neigh", "show", "nud", "all").splitlines())
        for number in range(300):
            sender = socket.inet_ntoa(struct.pack("!I", 0x0A000001 + number))
            guest.send(arp_request(sender, "172.16.0.1"), ARP)
            guest.send(arp_request(sender, HOST_OUTSIDE), ARP)
        after = len(ip_command("neigh", "show", "nud", "all").splitlines())
        expect(after <= before + 1, f"the host has {after - before} neighbours more")
        time.sleep(1.1)
        guest.send(arp_request(guest.address, "172.16.0.1"), ARP)
        answer = guest.next(kind=ARP)
        expect(answer is not None and answer[6:8] == b"\x00\x02", "the host's address on the TAP is not told")
        for address in (HOST_OUTSIDE, "127.0.0.1"):
            guest.send(arp_request(guest.address, address), ARP)
            expect(guest.next(lambda it: it[6:8] == b"\x00\x02", NO_TIME, ARP) is None, f"{address} is told")
        time.sleep(1.1)
        for _ in range(1000):
            guest.send(arp_request(guest.address, "172.16.0.1"), ARP)
        answers = sum(frame[12:14] == b"\x08\x06" for frame in guest.frames(NO_TIME))
        expect(0 < answers < 100, f"{answers} of 1,000 requests at once are answered")


@case()
def frames_of_other_kinds_end_at_the_tap():
    with OwnNetwork(), Outside() as outside, Vm("--net", "auto") as vm, TapGuest(vm.pid) as guest:
        ping = icmp(guest.address, "172.16.0.1", 8, 0, 1, b"ping")
        is_answer = lambda it: it.protocol == ICMP and it.payload[0] == 0
        guest.send(ping)
        expect(guest.next(is_answer), "the host's address on the TAP does not answer")
        guest.send(struct.pack("!HH", 0, IPV4) + ping, VLAN)
        expect(guest.next(is_answer, NO_TIME) is None, "a tag of VLAN 0 makes no difference")
        guest.send(udp("172.16.0.3", OUTSIDE, 1, 2, b"else"))
        guest.send(udp("10.0.0.1", OUTSIDE, 1, 2, b"else"))
        # In the middle of a stream, of no protocol's, and of no connection's.
        guest.send(tcp(guest.address, OUTSIDE, 43000, 80, ACK, 1, 1, b"else"))
        guest.send(icmp(guest.address, OUTSIDE, 0, 0, 1, b"else"))
        expect_none(outside, lambda it: it.data.endswith(b"else") or it.protocol == ICMP, "it comes out")


def is_keepers(pid, number):
    """The socket to the process that stays outside of a jail, which ends with it."""
    return os.readlink(f"/proc/{pid}/fd/{number}").startswith("socket:")


@case(unsanitized="the sanitizers' threads are not what ships")
def who_owns_the_io_thread_cannot_take_the_rules_away():
    for more in ([], ["--jail"]):
        with OwnNetwork(), Outside() as outside, Vm("--net", "auto", "--publish", "8080:80", *more) as vm:
            pid = monitor_pid(vm.pid)
            with TapGuest(pid) as guest:
                numbers = sorted(int(number) for number in os.listdir(f"/proc/{pid}/fd"))
                keepers = [number for number in numbers if is_keepers(pid, number)]
                expect_equal(len(keepers), len(more), "sockets")
                before = tables()
                with Puppet(thread_called(pid, "io")) as io:
                    kept = [guest.number, *keepers]
                    closed = [number for number in numbers if number not in kept and io.call(SYS_CLOSE, number) == 0]
                    expect(len(closed) > 5, f"the thread closed {closed}")
                    links = sorted(int(number) for number in os.listdir(f"/proc/{pid}/fd"))
                    expect_equal(links, sorted(kept), "what the process has open")
                    expect_equal(tables(), before, f"rules {more}")
                    guest.send(udp("10.0.0.1", OUTSIDE, 1, 2, b"else"))
                    guest.send(udp(guest.address, "169.254.169.254", 1, 2, b"else"))
                    expect_none(outside, is_udp(b"else"), "it comes out")
                    expect_refused(
                        mayfly("run", "--net", "auto", "--publish", "8080:80"), "in use", "another program or VM"
                    )
                    vm.send_signal(signal.SIGKILL)
            vm.wait()
            expect_nothing_left("by one that was taken over", of_keeper=bool(more))


@case()
def the_holder_can_do_nothing():
    with OwnNetwork(), Vm("--net", "auto") as vm:
        tid = thread_called(vm.pid, "holder")
        status = pathlib.Path(f"/proc/{vm.pid}/task/{tid}/status").read_text(encoding="ascii")
        expect(re.search(r"^Seccomp:\t2$", status, re.M), "it has no filter")
        expect(re.search(r"^SigBlk:\tffffffff(fff[b-f]|fffa)feff$", status, re.M), f"it takes signals: {status}")
        links = [
            os.readlink(f"/proc/{vm.pid}/task/{tid}/fd/{fd}") for fd in os.listdir(f"/proc/{vm.pid}/task/{tid}/fd")
        ]
        expect(links and all(link.startswith("socket:") for link in links), f"it holds {links}")
        with Puppet(tid) as holder:
            try:
                expect(False, f"it calls: {holder.call(SYS_CLOSE, 0)}")
            except ProcessLookupError:
                pass
        vm.wait()
        expect_nothing_left("by one whose holder was taken over")


def reached(guest, outside, addresses):
    for address in addresses:
        guest.send(udp(guest.address, address, 44000, 53, address.encode()))
    found = set()
    while packet := outside.next(lambda it: it.protocol == UDP, NO_TIME):
        found.add(packet.data.decode())
    return [address for address in addresses if address in found]


@case()
def where_a_guest_gets():
    clouds = ["169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192"]
    others = ["168.63.129.17", "100.100.100.201", "198.51.100.7", "203.0.113.9"]
    for flags, wanted in (
        ("", others),
        (",deny=198.51.100.0/24", ["168.63.129.17", "100.100.100.201", "203.0.113.9"]),
        (",allow=168.63.129.16,allow=169.254.169.254/32", clouds[:2] + others),
        (",deny=0.0.0.0/0,allow=203.0.113.0/25,allow=198.51.100.7", ["198.51.100.7", "203.0.113.9"]),
    ):
        with OwnNetwork(), Outside() as outside, Vm("--net", "auto" + flags) as vm, TapGuest(vm.pid) as guest:
            expect_equal(reached(guest, outside, clouds + others), wanted, f"what a guest of auto{flags} reaches")
            if "allow" in flags:
                guest.send(udp(guest.address, HOST_OUTSIDE, 1, 2))
                guest.send(icmp(guest.address, "172.16.0.1", 8, 0, 1))
                expect(guest.next(lambda it: it.protocol == ICMP), "no ping of its gateway")


@case()
def connections_are_bounded():
    count = pathlib.Path("/proc/sys/net/netfilter/nf_conntrack_count")
    for flags, most in (("", 2048), (",connections=20", 20)):
        with OwnNetwork(), Outside() as outside, Vm("--net", "auto" + flags) as vm, TapGuest(vm.pid) as guest:
            nat_port = opened(guest, outside, 40000)
            for port in range(1, 3 * most):
                guest.send(udp(guest.address, OUTSIDE, 45000, port, b"many"))
            expect(most - 2 <= int(count.read_text()) <= most + 20, f"{count.read_text()} connections, not {most}")
            for _ in outside.frames(NO_TIME):
                pass
            guest.send(tcp(guest.address, OUTSIDE, 40000, 80, ACK | PSH, 101, 901, b"goes on"))
            expect(outside.next(lambda it: it.protocol == TCP and it.source_port == nat_port), "an open one is cut off")


@case(alone="the table of neighbours is one for the whole machine")
def a_scan_of_the_hosts_neighbours_leaves_room_for_others():
    with OwnNetwork(), Outside(), Vm("--net", "auto") as vm, TapGuest(vm.pid) as guest:
        ip_command("address", "add", "10.20.0.1/16", "dev", "mfup")
        for number in range(600):
            guest.send(udp(guest.address, socket.inet_ntoa(struct.pack("!I", 0x0A140100 + number)), 46000, 53))
        unanswered = ip_command("neigh", "show", "dev", "mfup", "nud", "all").count("10.20.")
        expect(200 <= unanswered <= 260, f"{unanswered} neighbours are waited for")


@case()
def a_tap_of_the_users_is_guarded():
    with OwnNetwork(), Outside() as outside:
        ip_command("tuntap", "add", "mfg", "mode", "tap", "vnet_hdr")
        ip_command("address", "add", "10.9.0.1/24", "dev", "mfg")
        ip_command("link", "set", "mfg", "up")
        for more in ([], ["--jail"]):
            with Vm("--net", "tap=mfg,guard=10.9.0.2,mac=02:00:5e:00:53:01", *more) as vm:
                with TapGuest(monitor_pid(vm.pid), "10.9.0.2", "mfg") as guest:
                    ip_command("neigh", "flush", "dev", "mfg")
                    guest.send(arp_request("10.9.0.2", "10.9.0.1"), ARP)
                    expect(guest.next(kind=ARP), "it cannot ask")
                    for sender, mac in (("10.9.0.3", guest.mac), ("10.9.0.4", b"\x02" * 6)):
                        guest.send(arp_request(sender, "10.9.0.1", mac), ARP)
                    guest.send(arp_request("10.9.0.2", "10.9.0.1", b"\x02" * 6), ARP)
                    time.sleep(NO_TIME)
                    known = ip_command("neigh", "show", "dev", "mfg")
                    expect("10.9.0.3" not in known and "02:02:02" not in known, f"the host believes {known}")
                    guest.send(udp("10.9.0.3", OUTSIDE, 1, 2, b"else"))
                    guest.send(udp("10.9.0.2", OUTSIDE, 1, 2, b"else"), source=b"\x02" * 6)
                    expect_none(outside, is_udp(b"else"), "somebody else's comes out")
                    guest.send(udp("10.9.0.2", OUTSIDE, 1, 2, b"own"))
                    expect(outside.next(is_udp(b"own")), "its own does not come out")
            expect_nothing_left("of a TAP of the user's", of_keeper=bool(more))


@case()
def what_the_page_says_to_paste_holds():
    page = pathlib.Path(__file__).resolve().parents[2] / "docs/network.md"
    blocks = re.findall(r"(?:^    .*\n)+", page.read_text(encoding="utf-8"), re.M)
    rules = "".join(block for block in blocks if block.startswith("    table "))
    with OwnNetwork(), Outside() as outside:
        ip_command("tuntap", "add", "tap0", "mode", "tap", "vnet_hdr")
        ip_command("address", "add", "10.0.0.1/24", "dev", "tap0")
        ip_command("link", "set", "tap0", "up")
        subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
        with Vm("--net", "tap=tap0") as vm, TapGuest(vm.pid, "10.0.0.2", "tap0") as guest:
            guest.send(arp_request("10.0.0.3", "10.0.0.1"), ARP)
            guest.send(arp_request("10.0.0.2", "10.0.0.1"), ARP)
            expect(guest.next(kind=ARP), "it cannot ask")
            expect("10.0.0.3" not in ip_command("neigh", "show", "dev", "tap0"), "the host believes it")
            for source, destination in (("10.0.0.3", OUTSIDE), ("10.0.0.2", "169.254.169.254")):
                guest.send(udp(source, destination, 1, 2, b"else"))
            expect_none(outside, is_udp(b"else"), "it comes out")
            guest.send(udp("10.0.0.2", OUTSIDE, 1, 2, b"own"))
            expect(outside.next(is_udp(b"own")), "its own does not come out")
            outside.send(udp(OUTSIDE, "10.0.0.2", 2, 1, b"answer"))
            expect(guest.next(is_udp(b"answer")), "the answer does not come in")


@case(needs_kvm=False)
def options_that_are_none():
    for text, words in (
        ("tap=x,allow=10.0.0.0/8", ["takes auto"]),
        ("auto,guard=10.0.0.1", ["takes auto"]),
        ("auto,allow=10.0.0.1/8", ["allow=", "prefix"]),
        ("auto,deny=ten", ["deny=", "prefix"]),
        ("auto,connections=0", ["connections=0"]),
        ("tap=x,guard=10.0.0", ["four numbers"]),
    ):
        expect_refused(mayfly("run", "--net", text), text, *words)


@case()
def guards_that_cannot_be():
    with OwnNetwork():
        expect_refused(mayfly("run", "--net", "tap=mfnone,guard=10.0.0.2"), "mfnone")
        ip_command("tuntap", "add", "mfg", "mode", "tap", "vnet_hdr")
        subprocess.run(["nft", "add", "table", "netdev", "mfg"], check=True)
        expect_refused(mayfly("run", "--net", "tap=mfg,guard=10.0.0.2"), "mfg", "nft list tables")
