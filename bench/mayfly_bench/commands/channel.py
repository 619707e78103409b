"""How fast a guest's output comes through the channel."""

from .. import flags
from ..probe import Contestant, program, take_rounds
from ..results import recorded
from ..tables import print_rates, print_rates_heading

SUMMARY = "Bytes a second from a guest through the channel to a pipe, beside a process that writes as much."
REFERENCE = "pipe alone"
MEGABYTE = 1_000_000
GUEST_LINE_BYTES = 64  # rootfs/unikernel/README.md, `channel-print`
PIECE_BYTES = 64 << 10  # of a burst


def add_flags(parser):
    parser.flag("--megabytes", "what is sent each time (default 256)", type=flags.number(1, 100_000), default=256)
    parser.rounds()
    parser.programs("mayfly")
    parser.results()


def run(options, arguments):
    flags.check_usable("--mayfly", options.mayfly)
    flags.check_kvm()
    sent = options.megabytes * MEGABYTE
    line = f"silent channel-print={sent // GUEST_LINE_BYTES}"
    guest = program("mayfly run", [options.mayfly, "run", "--stdio", "channel", "--cmdline", line])
    # The same number of bytes from a process beside us, in pieces of a burst's size.
    words = ["/bin/dd", "if=/dev/zero", f"bs={PIECE_BYTES}", f"count={sent // PIECE_BYTES}"]
    pipe = program(REFERENCE, words, errors="dropped")
    contestants = [Contestant(one["name"], "output rate", one) for one in (pipe, guest)]
    print(
        f"bytes a second from a guest through the channel to a pipe, {options.megabytes} MB each, {options.rounds} rounds;"
        " ratio of medians with its 95 % interval",
        flush=True,
    )
    with recorded(options, "channel", arguments, REFERENCE) as results:
        failure = take_rounds(contestants, options.rounds, title="channel")
        if failure:
            raise failure
        alone, mayfly = (one.column(0) for one in contestants)
        print_rates_heading("", REFERENCE)
        print_rates("stdout", alone, mayfly)
        results.samples(REFERENCE, "", "bytes of output", "1/s", alone)
        results.samples("mayfly", "", "bytes of output", "1/s", mayfly)
