"""What goes to the terminal: medians and ratios as lines of text."""

from ..statistics import median
from ..records import Refused
from ..runs import Ratio, ordered
from ..wording import moment, ratio, scale_of


def compared_series(run):
    """All that has samples of several programs: a name, the guest, and {program: record}."""
    for (guest, figure), series in run.samples.items():
        yield figure, guest, series
    for guest, flights in run.rates.items():
        for flight, series in sorted(flights.items()):
            yield f"starts, {flight} in flight", guest, series


def print_summary(runs):
    for run in runs:
        outcome = run.end["outcome"] if run.end else "no end"
        print(f"{run.header['command']}, {moment(run.header['started'])} UTC, {outcome}")
        lines = [line for what in compared_series(run) for line in lines_of(run, *what)]
        if lines:
            print("\n".join(aligned([heading(run), *lines])))
        for program, guests, reason in run.absences():
            print(f"not measured: {program} {', '.join(guests)}".rstrip() + f": {reason}")
        print()


def heading(run):
    return "figure", "program", "median", f"  ratio to {run.reference}, 95 % interval" if run.reference else ""


def lines_of(run, figure, guest, series):
    ratios = run.ratios(series)
    for name in ordered(series, run.reference):
        value = median(series[name]["samples"])
        shown = scale_of(series[name]["unit"], [value]).with_unit(value).replace("a second", "/s").replace("µ", "u")
        yield title(figure, guest), name, shown, in_brackets(ratios[name]) if name in ratios else ""


def title(figure, guest):
    return f"{figure} ({guest})" if guest else figure


def aligned(rows):
    figure, program, value = (max(len(row[at]) for row in rows) for at in range(3))
    return [f"{row[0]:<{figure}}  {row[1]:<{program}}  {row[2]:>{value}} {row[3]}".rstrip() for row in rows]


def in_brackets(one):
    return f"{ratio(one.value):>7} [{ratio(one.low):>5} .. {ratio(one.high):>5}]"


def print_ratio(runs, program, reference, guest):
    """One line for each figure that a run has of both. Errors: no run has."""
    rows = []
    for run in runs:
        for figure, of_guest, series in compared_series(run):
            if guest in (None, of_guest) and program in series and reference in series:
                one = Ratio(series[program], series[reference])
                rows.append((run.id, title(figure, of_guest), f"{program}/{reference}", in_brackets(one)))
    if not rows:
        where = f" with the guest {guest}" if guest is not None else ""
        has = ", ".join(sorted({name for run in runs for name in run.names()})) or "none"
        raise Refused(
            f"--ratio {program}/{reference}: no run has a figure of both{where}, and ratios compare programs"
            f" within one run; programs measured: {has}"
        )
    print("\n".join(aligned(rows)))
