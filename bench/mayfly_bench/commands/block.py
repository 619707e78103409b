"""Random reads by a guest from its disk beside those of a plain io_uring program from the same file."""

from .. import flags, scratch
from ..failure import Failure
from ..probe import Contestant, program, take_rounds
from ..results import recorded
from ..tables import print_rates, print_rates_heading

SUMMARY = "Random reads of 4 KiB a second, by a guest and by a plain io_uring program, from the same file."
REFERENCE = "io_uring"
BLOCK_BYTES = 4096
FILE_BYTES = 1 << 30
DEPTHS = (1, 32)
# A run of some tenths of a second, at the least: for each read in flight, and in all.
READS, MOST_READS = 50_000, 400_000


def add_flags(parser):
    parser.flag(
        "--depth", "reads in flight, 1 to 128 (default: 1, and then 32)", type=flags.number(1, 128), default=None
    )
    help = "reads of 4 KiB in each run (default 50000 for each in flight, at most 400000)"
    parser.flag("--reads", help, type=flags.number(1, 1_000_000_000), default=None)
    parser.rounds()
    help = "the disk, which is only read (default: 1 GiB in TMPDIR or /var/tmp, made for it)"
    parser.flag("--file", help, metavar="FILE", default=None)
    parser.programs("mayfly")
    parser.results()


def run(options, arguments):
    flags.check_usable("--mayfly", options.mayfly)
    flags.check_kvm()
    with scratch.opened(options.file) if options.file else scratch.disk_file(FILE_BYTES) as disk:
        size_bytes = scratch.read_all(disk)
        if size_bytes < BLOCK_BYTES:
            raise Failure(f"--file: {options.file}: is less than a block of 4 KiB")
        path = options.file or scratch.path_of(disk)
        print(
            f"random reads of 4 KiB a second, {options.rounds} rounds; ratio of medians with its 95 % interval",
            flush=True,
        )
        with recorded(options, "block", arguments, REFERENCE) as results:
            print_rates_heading("reads in flight", REFERENCE)
            for depth in (options.depth,) if options.depth else DEPTHS:
                measure(options, depth, (disk, path, size_bytes), results)


def measure(options, depth, disk, results):
    file, path, size_bytes = disk
    count = options.reads or min(READS * depth, MOST_READS)
    words = ["run", "--disk", f"{path},ro", "--", "quiet", f"disk-reads={count}", f"disk-depth={depth}"]
    guest = program("mayfly run", [options.mayfly, *words])
    contestants = [
        Contestant(REFERENCE, "ring reads", fd=file, size_bytes=size_bytes, count=count, depth=depth),
        Contestant("mayfly run", "guest rate", guest, word="disk-reads"),
    ]
    failure = take_rounds(contestants, options.rounds, title=f"{depth} in flight", fds=(file,))
    if failure:
        raise failure
    ring, mayfly = (one.column(0) for one in contestants)
    print_rates(str(depth), ring, mayfly)
    figure = f"4 KiB reads, {depth} in flight"
    results.samples(REFERENCE, "", figure, "1/s", ring)
    results.samples("mayfly", "", figure, "1/s", mayfly)
