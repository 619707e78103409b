"""What a hostile guest of --net auto gets by frames that no driver would write, and who owns the VM's threads. The
guest is this program (tap_guest.py), in a network namespace of each case's own."""
import os
import pathlib
import re
import signal

from auto_net import OwnNetwork, Vm, expect_nothing_left, tables
from kit import case, expect, expect_equal, expect_refused, mayfly
from puppet import Puppet, thread_called
from tap_guest import OUTSIDE, UDP, Outside, TapGuest, udp

SYS_CLOSE = 3
NO_TIME = 0.4  # long enough for what does not come


def expect_none(link, wanted, what):
    found = link.next(wanted, NO_TIME)
    expect(found is None, f"{what}: {found and vars(found)}")


def is_udp(data):
    return lambda it: it.protocol == UDP and it.data == data


def nearly_all_closed(pid, kept):
    """As whoever has the I/O thread can: all descriptors of the process but one."""
    io = Puppet(thread_called(pid, "io"))
    numbers = sorted(int(number) for number in os.listdir(f"/proc/{pid}/fd"))
    return io, [number for number in numbers if number != kept]


@case(unsanitized="the sanitizers' threads are not what ships")
def who_owns_the_io_thread_cannot_take_the_rules_away():
    for more in ([], ["--jail"]):
        with OwnNetwork(), Outside() as outside, Vm("--net", "auto", "--publish", "8080:80", *more) as vm:
            with TapGuest(vm.pid) as guest:
                io, numbers = nearly_all_closed(vm.pid, guest.number)
                before = tables()
                with io:
                    closed = [number for number in numbers if io.call(SYS_CLOSE, number) == 0]
                    expect(len(closed) > 5, f"the thread closed {closed}")
                    links = os.listdir(f"/proc/{vm.pid}/fd")
                    expect_equal(links, [str(guest.number)], "what the process has open")
                    expect_equal(tables(), before, f"rules {more}")
                    guest.send(udp("10.0.0.1", OUTSIDE, 1, 2, b"else"))
                    guest.send(udp(guest.address, "169.254.169.254", 1, 2, b"else"))
                    expect_none(outside, is_udp(b"else"), "it comes out")
                    expect_refused(
                        mayfly("run", "--net", "auto", "--publish", "8080:80"), "in use", "another program or VM"
                    )
                    vm.send_signal(signal.SIGKILL)
            vm.wait()
            expect_nothing_left("by one that was taken over")


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
