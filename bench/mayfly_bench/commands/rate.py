"""How many VMs a machine starts in a second."""

from .. import flags
from ..probe import Contestant, first_line, program, take_rounds
from ..results import recorded
from ..tables import print_rates, print_rates_heading

SUMMARY = "Starts a second, with up to 1, 2, 4, ... VMs between their spawn and their first output at once."
GUEST = "unikernel"
MOST_ENDING = 512  # that the probe lets be on their way out (bench/crowd.cpp)
DESCRIPTORS = 2  # of each: its output and, when it ends, its pidfd


def add_flags(parser):
    help = "up to N VMs between spawn and first output at once (default 64)"
    parser.flag("--most", help, type=flags.number(1, 4096), default=64)
    parser.flag("--starts", "starts in each round (default 400)", type=flags.number(1, 1_000_000), default=400)
    parser.rounds(1000)
    parser.programs("mayfly", "mayfly-floor")
    parser.results()


def run(options, arguments):
    flags.check_usable("--floor", options.floor)
    flags.check_usable("--mayfly", options.mayfly)
    flags.check_kvm()
    flags.allow_descriptors((options.most + MOST_ENDING) * DESCRIPTORS)
    programs = program("floor", [options.floor]), program("mayfly", [options.mayfly, "run", "--", "quiet"])
    with recorded(options, "rate", arguments, "floor") as results:
        for one in programs:
            results.program(one, GUEST, "" if one is programs[0] else first_line(options.mayfly))
        print_rates_heading("starts a second", "floor")
        in_flight = 1
        while in_flight <= options.most:
            measure(options, programs, in_flight, results)
            in_flight *= 2


def measure(options, programs, in_flight, results):
    contestants = [
        Contestant(one["name"], "crowd", one, in_flight=in_flight, starts=options.starts) for one in programs
    ]
    failure = take_rounds(contestants, options.rounds, 1 if in_flight == 1 else 0, title=f"{in_flight} in flight")
    if failure:
        raise failure
    floor, mayfly = (one.column(0) for one in contestants)
    print_rates(f"{in_flight} in flight", floor, mayfly)
    results.rate("floor", GUEST, in_flight, floor)
    results.rate("mayfly", GUEST, in_flight, mayfly)
