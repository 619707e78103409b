"""What many idle VMs cost together."""

import errno
import os

from .. import flags, machine, places, signals
from ..failure import Failure
from ..probe import Crew, first_line, program
from ..results import recorded
from ..statistics import line_fit

SUMMARY = "Memory of many idle VMs, each a process of its own: the floor's, then Mayfly's."
GUEST = "stub"
FLOOR_MEMORY_KIB = 128 << 10
POINTS = 10
SETTLE_S = 0.5  # what ended before is taken apart in the background, and monitors settle
FULL = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)  # what ends a crowd early, and is no failure
ROW = "{:<12} {:>7} {:>12} {:>12} {:>12}"


def add_flags(parser):
    parser.flag("--vms", "idle VMs of each kind (default 2000)", type=flags.number(1, 100_000), default=2000)
    size = {"metavar": "SIZE", "type": flags.size_kib}
    parser.flag(
        "--memory", "RAM of Mayfly's guests (default 128M; the floor's is always 128M)", default=128 << 10, **size
    )
    parser.flag("--reserve", "no more VMs once less is available to others (default 1G)", default=1 << 20, **size)
    parser.programs("mayfly", "mayfly-floor")
    parser.flag("--stub", "the guest (default: lib/mayfly/stub.elf)", metavar="FILE", default=str(places.STUB))
    parser.results()


def run(options, arguments):
    flags.check_usable("--floor", options.floor)
    flags.check_usable("--mayfly", options.mayfly)
    flags.check_usable("--stub", options.stub, os.R_OK)
    flags.check_kvm()
    flags.allow_descriptors(options.vms)
    words = [options.mayfly, "run", "--kernel", options.stub, "--memory", f"{options.memory}K"]
    subjects = (
        (program("floor", [options.floor, "--stay"]), FLOOR_MEMORY_KIB, ""),
        (program("mayfly", words), options.memory, options.mayfly),
    )
    with recorded(options, "density", arguments, "floor") as results:
        print(ROW.format("KiB per VM", "VMs", "process", "kernel", "all"), flush=True)
        for subject, memory_kib, has_version in subjects:
            results.program(subject, GUEST, first_line(has_version) if has_version else "")
            points, stopped = measure(subject, options)
            print_fit(subject["name"], points, stopped)
            if not points:
                raise stopped
            results.density(subject["name"], GUEST, memory_kib, points)


def measure(subject, options):
    """The points, and what the machine said before all VMs were there."""
    signals.sleep(SETTLE_S)
    before_kib, points = machine.available_kib(), []
    with Crew() as crew:
        for number in range(1, POINTS + 1):
            stopped = add_up_to(crew, options.vms * number // POINTS, subject, options.reserve)
            if len(crew.pids) != (points[-1]["vms"] if points else 0):
                points.append(look_at(crew, before_kib))
                print_point(subject["name"], **points[-1])
            if stopped:
                return points, stopped
    return points, None


def add_up_to(crew, vms, subject, reserve_kib):
    while len(crew.pids) < vms:
        if machine.available_kib() < reserve_kib:
            return Failure("memory: what is left is to be kept; see --reserve", errno.ENOMEM)
        try:
            crew.add(subject)
        except Failure as failure:
            if failure.code not in FULL:
                raise
            return failure
    return None


def look_at(crew, before_kib):
    signals.sleep(SETTLE_S)
    vms, process_kib = len(crew.pids), sum(map(private_kib, crew.pids))
    kernel_kib = before_kib - machine.available_kib() - process_kib
    return {"vms": vms, "process_kib": process_kib / vms, "kernel_kib": kernel_kib / vms}


def private_kib(pid):
    text = machine.proc_text(f"/proc/{pid}/smaps_rollup")
    dirty_kib = machine.proc_kib(text, "Private_Dirty")
    # A process keeps some memory as long as it is one.
    if dirty_kib == 0:
        raise Failure("a VM: it ended, and should stay up")
    return dirty_kib + machine.proc_kib(text, "Private_Clean")


def print_point(name, vms, process_kib, kernel_kib):
    shares = [f"{kib:.0f}" for kib in (process_kib, kernel_kib, process_kib + kernel_kib)]
    print(ROW.format(name, vms, *shares), flush=True)


def print_fit(name, points, stopped):
    if stopped:
        print(f"{name}: no more than {points[-1]['vms'] if points else 0} VMs: {stopped}")
    totals = [point["vms"] * (point["process_kib"] + point["kernel_kib"]) for point in points]
    fit = line_fit([point["vms"] for point in points], totals) if points else None
    if fit is not None:
        print(f"{name}: each VM more takes {fit.slope:.0f} KiB (R^2 {fit.r_squared:.3f})", flush=True)
