"""Memory of many VMs: all of it against their number, with the line that fits; and one VM's share of it."""

import numpy

from axis import end_labels, end_room, value_axis
from canvas import Canvas, colours_of
from estimates import line_fit
from picture import Picture, Table
from results import ordered
from wording import memory_scale, number, tick, with_guest

PANEL, TITLE, AXIS = 190, 34, 46  # pixels


def density_picture(run, guest, series):
    names = ordered(series, run.reference)
    curves = {name: Curve(series[name]["points"]) for name in names}
    colours = colours_of(run.names())
    scale = memory_scale([curve.total.max() for curve in curves.values()])
    scale_of_one = memory_scale([curve.each.max() for curve in curves.values()])

    def draw(width, ink):
        is_narrow = width < 500
        canvas = Canvas(width, (PANEL + TITLE + AXIS) * (2 if is_narrow else 1), ink)
        middle = width if is_narrow else width / 2 - 12
        second_top = PANEL + TITLE + AXIS if is_narrow else 0
        draw_totals(canvas, (0, 0, middle), curves, colours, scale)
        draw_shares(canvas, (0 if is_narrow else width / 2 + 12, second_top, width), curves, colours, scale_of_one)
        return canvas

    columns = ["VMs", "process, KiB", "kernel, KiB", f"all VMs, {scale.unit}"]
    rows = [row for name in names for row in ([name], *curves[name].rows(scale))]
    memory = memory_scale([series[names[0]]["guest_memory_kib"]]).with_unit(series[names[0]]["guest_memory_kib"])
    fits = "; ".join(f"{name} {curves[name].fit_in_words()}" for name in names)
    caption = (f"VMs of {memory} each. The line that fits: {fits}. Of one VM, the dashed line is the process, and the band"
               " above it the kernel.")
    return Picture(with_guest("Memory of many VMs", guest), caption, caption, draw, Table(columns, rows, colours))


class Curve:
    def __init__(self, points):
        points = sorted(points, key=lambda point: point["vms"])
        self.vms = numpy.array([point["vms"] for point in points], float)
        self.process = numpy.array([point["process_kib"] for point in points], float)
        self.kernel = numpy.array([point["kernel_kib"] for point in points], float)
        self.each = self.process + self.kernel
        self.total = self.each * self.vms
        self.fit = line_fit(self.vms, self.total)

    def fit_in_words(self):
        if self.fit is None:
            return f"has one point: {number(self.each[0])} KiB per VM"
        slope, rest = self.fit
        return f"{number(slope)} KiB per VM {'+' if rest >= 0 else '−'} {number(abs(rest))} KiB"

    def rows(self, scale):
        for at, vms in enumerate(self.vms):
            yield [f"{vms:,.0f}", number(self.process[at]), number(self.kernel[at]), scale.of(self.total[at])]


def panel(canvas, place, title, names, limit):
    """Axes below their title; `place` is left, top and right in pixels."""
    left, top, right = place
    canvas.text(left, top + 16, title, color=canvas.ink.quiet)
    axes = canvas.axes(left + 46, top + TITLE, right - end_room(names), top + TITLE + PANEL)
    axes.set_ylim(*limit)
    axes.set_xlim(0, None)
    return axes


def finish(canvas, axes, last, ends, colours):
    axes.set_xlim(0, 1.02 * last)
    locator = axes.yaxis.get_major_locator()
    value_axis(axes, "VMs")
    axes.yaxis.set_major_locator(locator)
    axes.grid(axis="y")
    axes.yaxis.set_major_formatter(lambda value, _: tick(value))
    end_labels(canvas, axes, ends, colours, PANEL)


def limits(values):
    low, high = min(0, min(map(min, values))), max(map(max, values))
    return low, high + 0.08 * ((high - low) or 1)


def draw_totals(canvas, place, curves, colours, scale):
    totals = {name: curve.total / scale.divisor for name, curve in curves.items()}
    axes = panel(canvas, place, f"all of them, {scale.unit}", curves, limits(totals.values()))
    for name, curve in curves.items():
        axes.plot(curve.vms, totals[name], "o", ms=6, mew=0, color=colours[name])
        if curve.fit:
            ends = numpy.array([0, curve.vms[-1]])
            axes.plot(ends, (curve.fit[0] * ends + curve.fit[1]) / scale.divisor, color=colours[name], lw=2)
    finish(canvas, axes, max(curve.vms[-1] for curve in curves.values()), {name: totals[name][-1] for name in curves},
           colours)


def draw_shares(canvas, place, curves, colours, scale):
    each = {name: curve.each / scale.divisor for name, curve in curves.items()}
    axes = panel(canvas, place, f"one of them, {scale.unit}", curves, limits(each.values()))
    for name, curve in curves.items():
        process = curve.process / scale.divisor
        axes.fill_between(curve.vms, process, each[name], color=colours[name], alpha=0.22, lw=0)
        axes.plot(curve.vms, process, color=colours[name], lw=1.5, ls=(0, (4, 3)))
        axes.plot(curve.vms, each[name], "o-", ms=4, mew=0, color=colours[name], lw=2)
    finish(canvas, axes, max(curve.vms[-1] for curve in curves.values()), {name: each[name][-1] for name in curves},
           colours)
