"""Axes that several pictures share: a scale of values below, a row with a name and a value for each program."""

import numpy
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from .canvas import SMALL, WIDE, Canvas, fitted, text_width
from ..wording import tick

LOG_FROM = 8  # times from the least to the largest, from which on a linear scale hides the small ones
ROW = 64  # pixels: a line of text, and what is drawn below it
AXIS = 38  # pixels: numbers and the axis's name
PANEL, PANEL_TITLE, PANEL_AXIS = 190, 34, 46  # pixels: heights
END_LABEL, END_LINE = 130, 15  # pixels: of a name beside a line, at most; from one name to the next


def value_axis(axes, label, is_log=False):
    """Labels the x axis with few round numbers, and draws a quiet grid."""
    low, high = axes.get_xlim()
    axes.grid(axis="x")
    axes.set_yticks([])
    axes.set_xlabel(label, loc="right" if len(label) < 30 else "center", labelpad=1)
    if is_log:
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        axes.xaxis.set_major_locator(FixedLocator(round_values(low, high)))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))


def round_values(low, high):
    """1, 2, 5, 10, ... between the two, thinned to a few."""
    powers = range(int(numpy.floor(numpy.log10(low))), int(numpy.ceil(numpy.log10(high))) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        values = [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
        if len(values) <= 7:
            return values
    return values[:: len(values) // 6 + 1]


def row_texts(canvas, top, name, value):
    """The line above what a row draws: the program's name at the left, its value at the right."""
    # A paper of their own keeps the grid out of the letters.
    paper = {"facecolor": canvas.ink.paper, "edgecolor": "none", "pad": 1.5}
    value = fitted(value, canvas.width * 0.7)
    room = canvas.width - text_width(value) - 14
    canvas.text(0, top + 15, fitted(name, room, weight="bold"), fontweight="bold", bbox=paper)
    canvas.text(canvas.width - 2, top + 15, value, ha="right", bbox=paper)


def two_panels(width, ink):
    """A canvas for two panels, on a phone one below the other, and the place of each: left, top and right in pixels."""
    height = PANEL_TITLE + PANEL + PANEL_AXIS
    if width < WIDE:
        return Canvas(width, 2 * height, ink), ((0, 0, width), (0, height, width))
    return Canvas(width, height, ink), ((0, 0, width / 2 - 12), (width / 2 + 12, 0, width))


def one_panel(width, ink):
    return Canvas(width, PANEL_TITLE + PANEL + PANEL_AXIS, ink), (0, 0, width)


def panel(canvas, place, title, names):
    """Axes below their title, with room for labels at both sides."""
    left, top, right = place
    canvas.text(left, top + 16, title, color=canvas.ink.quiet)
    top += PANEL_TITLE
    return canvas.axes(left + 46, top, right - end_room(names), top + PANEL)


def limits(values):
    """From 0, or below, to a little above the largest; `values` are several series."""
    low, high = min(0, min(map(min, values))), max(map(max, values))
    return low, high + 0.08 * ((high - low) or 1)


def end_labels(canvas, axes, ends, colours, height):
    """Names at the right of the axes, each with its colour, beside the ends of their lines and apart from each other.

    `ends`: {name: y}; `height` of the axes in pixels."""
    to_axes = axes.transData + axes.transAxes.inverted()
    names = sorted(ends, key=ends.get)
    places = [max(to_axes.transform((1, ends[name]))[1] * height, END_LINE / 2) for name in names]
    for at in range(1, len(places)):
        places[at] = max(places[at], places[at - 1] + END_LINE)
    places[-1] = min(places[-1], height)
    for at in range(len(places) - 2, -1, -1):
        places[at] = min(places[at], places[at + 1] - END_LINE)
    for name, place in zip(names, places):
        axes.annotate(
            fitted(name, END_LABEL - 22, SMALL),
            (1, place / height),
            xycoords="axes fraction",
            xytext=(20, 0),
            textcoords="offset points",
            va="center_baseline",
            fontsize=SMALL,
            color=canvas.ink.text,
        )
        axes.annotate(
            "",
            (1, place / height),
            (16, 0),
            "axes fraction",
            "offset points",
            arrowprops={"arrowstyle": "-", "color": colours[name], "lw": 2, "shrinkA": 0, "shrinkB": 6},
        )


def end_room(names):
    """Pixels that end_labels() takes at the right."""
    return min(END_LABEL, max(text_width(name, SMALL) for name in names) + 24)
