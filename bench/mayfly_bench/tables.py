"""The tables that the subcommands print. A column is as wide as what is in it."""

from .statistics import Interval, median, percentile, ratio_interval
from .statistics import ratio as ratio_of
from .versions import version_number
from .wording import ratio


def in_brackets(interval):
    return f"[{ratio(interval.low):>5} .. {ratio(interval.high):>5}]"


def ratio_with_interval(samples, reference):
    """Cells: the ratio of the medians, and its interval."""
    if samples is reference:
        return ratio(1), in_brackets(Interval(1, 1))
    return ratio(ratio_of(samples, reference)), in_brackets(ratio_interval(samples, reference))


def times(samples):
    return [f"{value:.0f}" for value in (median(samples), percentile(samples, 99), min(samples))]


def print_table(heading, rows, left=1):
    """The first `left` columns are words, the others numbers."""
    rows = [heading, *rows]
    widths = [max(len(row[at]) if at < len(row) else 0 for row in rows) for at in range(len(heading))]
    for row in rows:
        cells = [f"{cell:<{widths[at]}}" if at < left else f"{cell:>{widths[at]}}" for at, cell in enumerate(row)]
        print("  ".join(cells).rstrip())


def flush_table(title, heading, rows, left=1):
    print(title)
    print_table(heading, rows, left)
    print(end="", flush=True)


def print_series(contestants):
    """First output and end of programs that end by themselves, the first of which is the reference."""
    floor = contestants[0].column(0)
    rows = []
    for one in contestants:
        first, end = floor if one is contestants[0] else one.column(0), one.column(1)
        rows.append([one.name, *times(first), *ratio_with_interval(first, floor), f"{median(end):.0f}"])
    flush_table(
        f"first output and end in us after spawn, {len(floor)} runs each; floors: ratio of medians to the first line,"
        " with its 95 % interval",
        ["program", "median", "p99", "min", "floors", "", "end"],
        rows,
    )


def print_stages(stages, beside):
    heading = ["stage", "median", "p99", "min"]
    for title, part in (
        ("stages of the traced one in us, one after the other from spawn to first output", stages),
        ("and beside them on its main thread, from the end of exec on", beside),
    ):
        flush_table(f"\n{title}", heading, [[name, *times(samples)] for name, samples in part.items()])


RATES = "{:<24} {:>12} {:>12} {:>7} {}"  # a row as soon as it is known, so no column waits for the others


def print_rates_heading(what, reference):
    print(RATES.format(what, reference, "guest", "ratio", "").rstrip(), flush=True)


def print_rates(label, reference, guest):
    cells = ratio_with_interval(guest, reference)
    print(RATES.format(label, f"{median(reference):.0f}", f"{median(guest):.0f}", *cells), flush=True)


def print_compared(programs, guest, reference):
    """`programs`: (contestant, version line, the monitor's us, the guest's us), the latter None where not known.
    `reference`: the contestant that ratios refer to, or None."""
    rows = []
    base = reference.column(0) if reference else None
    for one, version, vmm_us, guest_us in programs:
        first, end = base if one is reference else one.column(0), one.column(1)
        compared = ["-", ""] if reference is None else ratio_with_interval(first, base)
        apart = [f"{us:.0f}" if us is not None and us > 0 else "-" for us in (vmm_us, guest_us)]
        words = [one.name, guest, version_number(version)]
        rows.append([*words, *times(first), *compared, *apart, f"{median(end):.0f}"])
    flush_table(
        f"\nfirst output in us after spawn, {len(programs[0][0].values)} runs each; ratio of medians to"
        f" {reference.name if reference else 'nothing'}, with its 95 % interval; end in us from kill to reaped",
        ["program", "guest", "version", "median", "p99", "min", "ratio", "", "VMM", "guest", "end"],
        rows,
        left=3,
    )
