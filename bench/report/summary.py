"""What goes to the terminal: medians and ratios as lines of text."""

from estimates import median
from records import Refused
from results import Ratio, ordered, ratios_of
from wording import moment, number, ratio, scale_of

HEAD = f"{'figure':<28} {'program':<18} {'median':>14} {'ratio':>7}"


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
        print(HEAD + (f" of {run.reference}, 95 % interval" if run.reference else ""))
        for figure, guest, series in compared_series(run):
            print_series(f"{figure} ({guest})" if guest else figure, series, run.reference)
        for one in run.absent:
            print(f"not measured: {one['program']} {one['guest']}".rstrip() + f": {one['reason']}")
        print()


def print_series(title, series, reference):
    ratios = ratios_of(series, reference)
    for name in ordered(series, reference):
        value = median(series[name]["samples"])
        shown = scale_of(series[name]["unit"], [value]).with_unit(value).replace("a second", "/s").replace("µ", "u")
        line = f"{title[:28]:<28} {name[:18]:<18} {shown:>14}"
        print(line if name not in ratios else f"{line} {in_brackets(ratios[name])}")


def in_brackets(one):
    return f"{ratio(one.value):>7} [{ratio(one.low):>5} .. {ratio(one.high):>5}]"


def print_ratio(runs, program, reference, guest):
    """One line for each figure that a run has of both. Errors: no run has."""
    found = 0
    for run in runs:
        for figure, of_guest, series in compared_series(run):
            if guest in (None, of_guest) and program in series and reference in series:
                title = f"{figure} ({of_guest})" if of_guest else figure
                one = Ratio(series[program], series[reference])
                print(f"{run.id}  {title[:28]:<28} {program}/{reference} {in_brackets(one)}")
                found += 1
    if not found:
        where = f" with the guest {guest}" if guest is not None else ""
        has = ", ".join(sorted({name for run in runs for name in run.names()})) or "none"
        raise Refused(f"--ratio {program}/{reference}: no run has a figure of both{where}, and ratios compare programs"
                      f" within one run; programs measured: {has}")
