"""How long programs take from spawn to the first byte of their output, and to their end, beside the floor."""

import contextlib
import os

from .. import flags, scratch, stages, tap
from ..probe import Contestant, first_line, program, take_rounds
from ..results import recorded
from ..tables import print_series, print_stages

SUMMARY = "Microseconds from the spawn of a program to its first output, and to its end, beside the floor."
GUEST = "unikernel"
DISK_BYTES = 16 << 20
TAP = "mfbench1"


def add_flags(parser):
    parser.runs(300, 20)
    parser.programs("mayfly", "mayfly-floor")
    parser.flag("--devices", "also a guest with a drive and a NIC; makes a TAP, so it needs root", action="store_true")
    parser.flag("--stages", "also Mayfly with a trace, and what each stage takes", action="store_true")
    parser.results()
    help = "one more program: its path and words, parted by blanks; repeatable"
    parser.flag("--command", help, action="append", default=[], metavar="NAME=CMD", type=flags.named_command)


def run(options, arguments):
    flags.check_usable("--mayfly", options.mayfly)
    flags.check_usable("--floor", options.floor)
    flags.check_kvm()
    with contextlib.ExitStack() as stack:
        contestants = [
            started("floor", [options.floor]),
            started("mayfly", [options.mayfly, "run", "--", "quiet"]),
        ]
        on_musl = f"{options.floor}-musl"  # where there is one
        if os.access(on_musl, os.X_OK):
            contestants.append(started("floor on musl", [on_musl]))
        if options.devices:
            contestants.append(with_devices(options.mayfly, stack))
        traced = stages.traced_mayfly(options.mayfly) if options.stages or options.results else None
        contestants += [traced] if traced else []
        contestants += [started(name, words) for name, words in options.command]
        with recorded(options, "startup", arguments, "floor") as results:
            measure(options, contestants, traced, results)


def started(name, words, **more):
    return Contestant(name, "start", program(name, words, **more))


def with_devices(mayfly, stack):
    disk = scratch.path_of(stack.enter_context(scratch.disk_file(DISK_BYTES)))
    name = stack.enter_context(tap.persistent(TAP))
    return started("with drive and NIC", [mayfly, "run", "--disk", disk, "--net", f"tap={name}", "--", "quiet"])


def measure(options, contestants, traced, results):
    """What was finished is printed and recorded also when a signal ends it."""
    record_programs(results, contestants)
    failure = take_rounds(contestants, options.runs, options.warm_up, title="startup")
    if contestants[0].values:
        print_series(contestants)
        if options.stages:
            print_stages(stages.of(traced), stages.beside(traced))
        record_starts(results, contestants)
        if traced:
            results.stages("mayfly", GUEST, stages.of(traced))
    if failure:
        raise failure


def record_programs(results, contestants):
    """The floors have no version."""
    for one in contestants:
        version = "" if one.program["name"].startswith("floor") else first_line(one.program["words"][0])
        results.program(one.program, GUEST, version)


def record_starts(results, contestants):
    for one in contestants:
        results.samples(one.name, GUEST, "first output", "us", one.column(0))
        results.samples(one.name, GUEST, "end", "us", one.column(1))
