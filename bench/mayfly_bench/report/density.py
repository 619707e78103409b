"""Memory of many VMs: all of it against their number, with the line that fits; and one VM's share of it."""

import numpy

from .axis import PANEL, end_labels, limits, panel, two_panels, value_axis
from .canvas import colours_of
from ..statistics import line_fit
from .picture import Picture, Table
from ..runs import ordered
from ..wording import memory_scale, number, tick, with_guest


def density_picture(run, guest, series):
    names = ordered(series, run.reference)
    curves = {name: Curve(series[name]["points"]) for name in names}
    colours = colours_of(run.names())
    scale = memory_scale([curve.total.max() for curve in curves.values()])
    scale_of_one = memory_scale([curve.each.max() for curve in curves.values()])

    def draw(width, ink):
        canvas, (first, second) = two_panels(width, ink)
        draw_totals(canvas, first, curves, colours, scale)
        draw_shares(canvas, second, curves, colours, scale_of_one)
        return canvas

    columns = ["VMs", "process, KiB", "kernel, KiB", f"all VMs, {scale.unit}"]
    rows = [row for name in names for row in ([name], *curves[name].rows(scale))]
    memory = memory_scale([series[names[0]]["guest_memory_kib"]]).with_unit(series[names[0]]["guest_memory_kib"])
    fits = "; ".join(f"{name} {curves[name].fit_in_words()}" for name in names)
    caption = (
        f"VMs of {memory} each. The line that fits: {fits}. Of one VM, the dashed line is the process, and the band"
        " above it the kernel."
    )
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
        rest = self.fit.at_zero
        return f"{number(self.fit.slope)} KiB per VM {'+' if rest >= 0 else '−'} {number(abs(rest))} KiB"

    def rows(self, scale):
        for at, vms in enumerate(self.vms):
            yield [f"{vms:,.0f}", number(self.process[at]), number(self.kernel[at]), scale.of(self.total[at])]


def finish(canvas, axes, last, ends, colours):
    axes.set_xlim(0, 1.02 * last)
    locator = axes.yaxis.get_major_locator()
    value_axis(axes, "VMs")
    axes.yaxis.set_major_locator(locator)
    axes.grid(axis="y")
    axes.yaxis.set_major_formatter(lambda value, _: tick(value))
    end_labels(canvas, axes, ends, colours, PANEL)


def draw_totals(canvas, place, curves, colours, scale):
    totals = {name: curve.total / scale.divisor for name, curve in curves.items()}
    axes = panel(canvas, place, f"all of them, {scale.unit}", curves)
    axes.set_ylim(*limits(totals.values()))
    for name, curve in curves.items():
        axes.plot(curve.vms, totals[name], "o", ms=6, mew=0, color=colours[name])
        if curve.fit:
            ends = numpy.array([0, curve.vms[-1]])
            axes.plot(ends, (curve.fit.slope * ends + curve.fit.at_zero) / scale.divisor, color=colours[name], lw=2)
    finish(
        canvas,
        axes,
        max(curve.vms[-1] for curve in curves.values()),
        {name: totals[name][-1] for name in curves},
        colours,
    )


def draw_shares(canvas, place, curves, colours, scale):
    each = {name: curve.each / scale.divisor for name, curve in curves.items()}
    axes = panel(canvas, place, f"one of them, {scale.unit}", curves)
    axes.set_ylim(*limits(each.values()))
    for name, curve in curves.items():
        process = curve.process / scale.divisor
        axes.fill_between(curve.vms, process, each[name], color=colours[name], alpha=0.22, lw=0)
        axes.plot(curve.vms, process, color=colours[name], lw=1.5, ls=(0, (4, 3)))
        axes.plot(curve.vms, each[name], "o-", ms=4, mew=0, color=colours[name], lw=2)
    finish(
        canvas,
        axes,
        max(curve.vms[-1] for curve in curves.values()),
        {name: each[name][-1] for name in curves},
        colours,
    )
