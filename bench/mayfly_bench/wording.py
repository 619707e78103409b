"""Numbers and names as people read them."""

import math


def number(value):
    """Three significant digits: 0.952, 12.3, 345,000."""
    size = abs(value)
    if size >= 1e9:
        return f"{value:.2e}".replace("e+0", "e").replace("e+", "e")
    if size >= 1000:
        digits = len(str(int(size))) - 3
        return f"{round(value, -digits):,.0f}"
    if size >= 99.95:
        return f"{value:.0f}"
    if size >= 9.995:
        return f"{value:.1f}"
    if size >= 0.9995:
        return f"{value:.2f}"
    if size >= 0.0001:
        return f"{value:.{2 - math.floor(math.log10(size))}f}"
    return "0" if size == 0 else f"{value:.1e}"


def tick(value):
    """A round number, as axes and counts have them, short enough to stand beside an axis."""
    for least, divisor, letter in ((1e9, 1e9, " G"), (1e6, 1e6, " M"), (1e5, 1e3, " k")):
        if abs(value) >= least:
            return f"{value / divisor:,.6g}{letter}"
    return f"{value:,.10g}"


def ratio(value):
    """Two decimals, as the tables of mayfly-bench have them; fewer where they say nothing."""
    return f"{value:.2f}" if 0.1 <= value < 99.995 else number(value)


def ratio_with_interval(one):
    return f"{ratio(one.value)} ({ratio(one.low)}–{ratio(one.high)})"


def value_and_ratio(value, one, reference):
    return f"{value} · {ratio(one.value)} × {reference}"


class Scale:
    """The unit that a group of values is shown in."""

    def __init__(self, unit, divisor):
        self.unit, self.divisor = unit, divisor

    def of(self, value):
        return number(value / self.divisor)

    def with_unit(self, value):
        return f"{self.of(value)} {self.unit}"


def time_scale(values_us):
    largest = max(values_us)
    if largest >= 2e6:
        return Scale("s", 1e6)
    return Scale("ms", 1e3) if largest >= 500 else Scale("µs", 1)


def memory_scale(values_kib):
    largest = max(values_kib)
    if largest >= 2 << 20:
        return Scale("GiB", 1 << 20)
    return Scale("MiB", 1 << 10) if largest >= 2 << 10 else Scale("KiB", 1)


def scale_of(unit, values):
    """`unit`: a record's."""
    scales = {"us": time_scale, "KiB": memory_scale}
    return scales[unit](values) if unit in scales else Scale("a second", 1)


def with_guest(what, guest):
    return f"{what}, guest {guest}" if guest else what


def moment(time):
    """2026-11-28T16:30:00Z as 2026-11-28 16:30:00."""
    return time.replace("T", " ").rstrip("Z")


def span(started, ended):
    """The date once, where both are of one day."""
    return moment(ended)[11:] if started[:10] == ended[:10] else moment(ended)
