"""What a jail adds to a start, and many jails at once."""

import os

from .. import flags, places, scratch
from ..failure import Failure
from ..probe import RUN_MARK, Contestant, program, take_rounds
from ..results import recorded
from ..statistics import median, percentile
from ..tables import print_series
from .startup import GUEST, record_programs, record_starts, started

SUMMARY = "What a jail adds to a start, and many jails at once. Needs root."
ALONE = 30


def add_flags(parser):
    parser.runs(300, 20)
    help = "jailed VMs that are started at once, afterwards (default 100)"
    parser.flag("--at-once", help, type=flags.number(1, 10_000), default=100)
    parser.results()


def run(options, arguments):
    flags.check_kvm()
    if os.geteuid() != 0:
        raise Failure("jail: makes jails of several kinds: run it as root")
    flags.allow_descriptors(2 * options.at_once)
    with scratch.memory_folder() as folder, recorded(options, "jail", arguments, "floor") as results:
        contestants = kinds(folder)
        if options.results:
            record_programs(results, contestants)
        failure = take_rounds(contestants, options.runs, options.warm_up, title="jail")
        if contestants[0].values:
            print_series(contestants)
            record_starts(results, contestants)
        if failure:
            raise failure
        measure_at_once(options.at_once, folder, results)


def kinds(folder):
    mayfly = places.program("mayfly")
    keep = "--keep-network"
    return [
        started("floor", [places.program("mayfly-floor")]),
        started("mayfly run", [mayfly, "run", "--", "quiet"]),
        started("mayfly run --jail", [mayfly, "run", "--jail", "--", "quiet"]),
        # It warns at every start.
        started("mayfly --no-seccomp", [mayfly, "run", "--no-seccomp", "--", "quiet"], errors="dropped"),
        started("mayfly-jailer", jailed(folder, "j", keep)),
        started("... process namespace", jailed(folder, "p", keep, "--new-pid-ns")),
        started("... cgroup, clean-up", jailed(folder, "c", keep, "--cleanup", "--cgroup", "pids.max=50")),
        started("... empty network", jailed(folder, "n")),
    ]


def jailed(folder, id, *more):
    """The embedded guest in a jail of its own, with `more` flags for the jailer."""
    words = [
        places.program("mayfly-jailer"),
        "--exec-file",
        places.program("mayfly"),
        "--uid",
        "23456",
        "--gid",
        "23456",
    ]
    words += ["--chroot-base-dir", folder, "--id", id + RUN_MARK, *more, "--", "run", "--", "quiet"]
    return words


def measure_at_once(count, folder, results):
    alone = started("one alone", jailed(folder, "o", "--cleanup"))
    failure = take_rounds([alone], ALONE, title="one alone")
    if failure:
        raise failure
    words = jailed(folder, "m", "--cleanup")
    many = Contestant("at once", "crowd", program("at once", words), in_flight=count, starts=count)
    failure = take_rounds([many], 1, title="at once")
    if failure:
        raise failure
    (_, all_us, *first_us), alone_us = many.values[0], alone.column(0)
    late, typical = percentile(first_us, 99), median(first_us)
    print(
        f"{count} jailed VMs at once: first output after {typical:.0f} us (median), {late:.0f} us (p99); all over in"
        f" {all_us:.0f} us; one alone: {median(alone_us):.0f} us; p99 over that: {late / median(alone_us):.1f}, over the"
        f" median: {late / typical:.1f}"
    )
    results.samples("mayfly-jailer", GUEST, "first output, one alone", "us", alone_us)
    results.samples("mayfly-jailer", GUEST, f"first output, {count} at once", "us", first_us)
