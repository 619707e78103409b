"""Frames that a guest sends into a TAP beside those of a plain io_uring program."""

from .. import flags, tap
from ..probe import Contestant, program, take_rounds
from ..results import recorded
from ..tables import print_rates, print_rates_heading

SUMMARY = "Frames a second into a TAP, by a guest and by a plain io_uring program. As root: it makes TAPs."
REFERENCE = "io_uring"
OWN_TAP, GUEST_TAP = "mfbench0", "mfbench1"
FRAME_BYTES = (64, 1500)


def add_flags(parser):
    parser.flag("--frames", "frames in each run (default 500000)", type=flags.number(1, 1_000_000_000), default=500_000)
    parser.flag("--batch", "frames in flight, 1 to 128 (default 32)", type=flags.number(1, 128), default=32)
    parser.rounds()
    parser.programs("mayfly")
    parser.results()


def run(options, arguments):
    flags.check_usable("--mayfly", options.mayfly)
    flags.check_kvm()
    print(
        f"frames a second into a TAP, {options.frames} each, {options.batch} in flight, {options.rounds} rounds; ratio of"
        " medians with its 95 % interval",
        flush=True,
    )
    with recorded(options, "net", arguments, REFERENCE) as results:
        with tap.attached(OWN_TAP) as own, tap.persistent(GUEST_TAP):
            print_rates_heading("bytes of a frame", REFERENCE)
            for frame_bytes in FRAME_BYTES:
                measure(options, own, frame_bytes, results)


def measure(options, own, frame_bytes, results):
    words = ["run", "--net", f"tap={GUEST_TAP}", "--", "quiet", f"send-frames={options.frames}"]
    words += [f"frame-bytes={frame_bytes}", f"frame-batch={options.batch}"]
    sent = {"count": options.frames, "depth": options.batch, "frame_bytes": frame_bytes}
    contestants = [
        Contestant(REFERENCE, "ring writes", fd=own, **sent),
        Contestant("mayfly run", "guest rate", program("mayfly run", [options.mayfly, *words]), word="send-frames"),
    ]
    failure = take_rounds(contestants, options.rounds, title=f"frames of {frame_bytes} bytes", fds=(own,))
    if failure:
        raise failure
    ring, mayfly = (one.column(0) for one in contestants)
    print_rates(str(frame_bytes), ring, mayfly)
    figure = f"frames of {frame_bytes} bytes"
    results.samples(REFERENCE, "", figure, "1/s", ring)
    results.samples("mayfly", "", figure, "1/s", mayfly)
