"""Mayfly and the other monitors that are here, with the same guests in the same rounds."""

import contextlib
import errno
import os

from .. import flags, guests, machine, monitors, scratch, stages
from ..failure import Failure, Interrupted
from ..probe import Contestant, first_line, program, take_rounds
from ..progress import Progress
from ..results import recorded
from ..statistics import median
from ..tables import print_compared

SUMMARY = "Mayfly and the other monitors that are here, with the same guests in the same rounds."
RUNS = 30
BUDGET_S = 180  # for the rounds of all guests, where nobody says how many
PEER_NAMES = "qemu, kvmtool, firecracker and cloud-hypervisor"


def add_flags(parser):
    help = "a peer: qemu, kvmtool, firecracker or cloud-hypervisor; repeatable (default: those in PATH)"
    parser.flag("--peer", help, action="append", default=[], metavar="NAME=PATH", type=peer)
    help = "stub, unikernel, kernel or debian; repeatable (default: all)"
    parser.flag("--guest", help, action="append", default=[], metavar="NAME", type=guest_name)
    help = "measured runs of each program with each guest (default 30, or what three minutes suffice for)"
    parser.flag("--runs", help, type=flags.number(1, 100_000), default=None)
    parser.flag("--warm-up", "uncounted runs of each before (default 3)", type=flags.number(0, 100_000), default=3)
    help = "how long a program may take to its guest's first output (default 10s)"
    limit = flags.duration_ms(1, 600_000, "from 1ms to 10m")
    parser.flag("--limit", help, metavar="TIME", type=limit, default=10_000)
    parser.programs("mayfly", "mayfly-floor")
    parser.results()


def peer(text):
    name, _, path = text.partition("=")
    found = next((one for one in monitors.PEERS if one.name == name), None)
    if found is None or not path:
        raise flags.argparse.ArgumentTypeError(f"{text}: write NAME=PATH; the peers are {PEER_NAMES}")
    if not monitors.is_program(path):
        raise flags.argparse.ArgumentTypeError(f"{text}: is no program")
    return found.name, path


def guest_name(text):
    if text not in guests.NAMES:
        names = "stub, unikernel, kernel and debian"
        raise flags.argparse.ArgumentTypeError(f"{text}: there is no such guest; the guests are {names}")
    return text


def check_once(flag, names):
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise Failure(f"{flag} {twice}: is given twice")


class Installed:
    """A program to compare, if it is installed."""

    def __init__(self, monitor, path):
        self.monitor, self.path, self.version = monitor, path, ""

    @property
    def name(self):
        return self.monitor.name


def run(options, arguments):
    check_once("--peer", [name for name, _ in options.peer])
    check_once("--guest", options.guest)
    flags.check_usable("--mayfly", options.mayfly)
    flags.check_usable("--floor", options.floor)
    flags.check_kvm()
    programs = installed(options)
    with contextlib.ExitStack() as stack:
        needs_home = any(one.path and one.monitor.writes_home for one in programs)
        home = stack.enter_context(scratch.memory_folder()) if needs_home else ""
        with recorded(options, "compare", arguments, "floor") as results:
            find_versions(programs)
            MonitorComparison(options, programs, home, results).run()


def installed(options):
    given, path = dict(options.peer), os.environ.get("PATH", "")
    own = [Installed(monitors.FLOOR, options.floor), Installed(monitors.MAYFLY, options.mayfly)]
    peers = [
        Installed(one, given.get(one.name) or monitors.find_program(one.file_names, path)) for one in monitors.PEERS
    ]
    return own + peers


def find_versions(programs):
    """A program that cannot be started is named when it is tried."""
    for one in programs:
        if one.path and one.monitor is not monitors.FLOOR:
            try:
                one.version = first_line(one.path)
            except Interrupted:
                raise
            except Failure:
                continue


class MonitorComparison:
    def __init__(self, options, programs, home, results):
        self.options, self.programs, self.home, self.results = options, programs, home, results
        self.kvm = machine.kvm_module()
        self.guests = [guests.find(name, self.kvm) for name in options.guest or guests.NAMES]
        self.runs = options.runs or RUNS
        self.budget_s = 0 if options.runs else BUDGET_S / len(self.guests)
        self.stub_us = {}  # the medians with it

    def run(self):
        self.name_missing_peers()
        for guest in self.guests:
            self.run_guest(guest)

    def name_missing_peers(self):
        for one in self.programs:
            if one.path:
                continue
            reason = f"is not installed; give --peer {one.name}=PATH"
            print(f"{one.name}: {reason}")
            for guest in self.guests:
                self.results.absent(one.name, guest.name, reason)
        if not any(one.path for one in self.programs[2:]):
            print("no peer is installed: only the floor and Mayfly are measured")
        print(end="", flush=True)

    def name_absent(self, name, guest, reason):
        print(f"{name} with {guest.name}: {reason}", flush=True)
        self.results.absent(name, guest.name, reason)

    def run_guest(self, guest):
        if guest.absence:
            print(f"guest {guest.name}: {guest.absence}", flush=True)
            for one in self.programs:
                if one.path:
                    self.results.absent(one.name, guest.name, guest.absence)
            return
        contestants = self.able(self.contestants_for(guest), guest)
        if not contestants or contestants[0].name != monitors.FLOOR.name:
            raise Failure("the floor fails, and with it every ratio; see above")
        counts = {"runs": self.runs, "warm_up": self.options.warm_up, "budget_s": self.budget_s}
        failure = take_rounds(contestants, **counts, leaves_out=True, title=guest.name, is_logged=True)
        self.name_unfit(contestants, guest)
        measured = [one for one in contestants if one.values]
        if measured:
            self.print(measured, guest)
            self.record(measured, guest)
        if failure:
            raise failure

    def contestants_for(self, guest):
        """Those that are installed and boot the guest, as far as one knows without trying."""
        found = []
        for one in self.programs:
            if not one.path:
                continue
            refusal = one.monitor.refusal(guest)
            if refusal:
                self.name_absent(one.name, guest, refusal)
            else:
                found.append(self.contestant(one, guest))
        return found

    def contestant(self, one, guest):
        words, given = one.monitor.start(one.path, guest, self.kvm)
        more = {"given": given} if given is not None else {}
        if one.monitor.writes_home:
            more["environment"] = [f"HOME={self.home}"]
        marker = monitors.FLOOR_MARKER if one.monitor is monitors.FLOOR else guest.marker
        started = program(one.name, words, errors="kept", **more)
        return Contestant(one.name, "start", started, self.options.limit, marker=marker, is_killed=True)

    def able(self, contestants, guest):
        """One uncounted run of each, so that one that does not boot the guest costs the limit once."""
        with Progress(f"{guest.name}, first try", len(contestants), is_logged=True) as progress:
            for one in contestants:
                progress.name_step(one.name)
                failure = take_rounds([one], runs=1, leaves_out=True)
                if failure:
                    raise failure
                progress.step()
        self.name_unfit(contestants, guest)
        able = [one for one in contestants if one.absence is None]
        for one in able:
            one.clear()
        return able

    def name_unfit(self, contestants, guest):
        for one in contestants:
            if one.absence is not None:
                self.name_absent(one.name, guest, self.described(one))

    def described(self, one):
        absence, limit = one.absence, f"{self.options.limit / 1000:g} s"
        if absence.code == errno.ENODATA:
            return f"printed nothing in {limit}"
        if absence.code == errno.ETIMEDOUT:
            return f'did not print "{one.plan["marker"]}" in {limit}'
        if absence.code != errno.EPIPE:
            return absence.reason
        lines = [line.rstrip() for line in absence.last_words.splitlines() if line.strip()]
        if not lines:
            return "ended before its guest printed anything, and did not say why"
        return f"ended before its guest printed anything: {lines[-1]}"

    def take_apart(self, one, guest):
        """The monitor's time is that with the stub, which has next to none of its own; the rest is the guest's. The
        unikernel runs under Mayfly alone, which tells both."""
        all_us = median(one.column(0))
        if one.name == monitors.FLOOR.name:
            return None, None
        if guest.name == "stub":
            self.stub_us[one.name] = all_us
            return all_us, None
        if guest.protocol == guests.EMBEDDED:
            return self.trace(guest)
        vmm_us = self.stub_us.get(one.name)
        return vmm_us, None if vmm_us is None else all_us - vmm_us

    def trace(self, guest):
        """Records where the time goes, too. Nothing where it does not work, or where a signal ends it: the next run
        ends by that too."""
        traced = stages.traced_mayfly(self.options.mayfly)
        if take_rounds([traced], self.runs, self.options.warm_up, title="stages") is not None:
            return None, None
        found = stages.of(traced)
        self.results.stages(monitors.MAYFLY.name, guest.name, found)
        return stages.monitor_and_guest_us(found)

    def version_of(self, name):
        return next(one.version for one in self.programs if one.name == name)

    def print(self, measured, guest):
        # Linux boots much longer than the floor, of which a ratio would say nothing.
        wanted = monitors.MAYFLY.name if guest.is_linux else monitors.FLOOR.name
        reference = next((one for one in measured if one.name == wanted), None)
        rows = [(one, self.version_of(one.name), *self.take_apart(one, guest)) for one in measured]
        print_compared(rows, guest.name, reference)

    def record(self, measured, guest):
        for one in measured:
            self.results.program(one.program, guest.name, self.version_of(one.name))
            self.results.samples(one.name, guest.name, "first output", "us", one.column(0))
            self.results.samples(one.name, guest.name, "end", "us", one.column(1))
