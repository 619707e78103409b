"""Times of starts, and amounts of memory: a row for each program, with the shape of its samples, and where their middle half and p99 lie."""

import numpy

from .axis import AXIS, LOG_FROM, ROW, row_texts, value_axis
from .canvas import Canvas, colours_of
from ..statistics import median, percentile
from .picture import Picture, Table
from ..runs import ordered
from ..wording import ratio_with_interval, scale_of, value_and_ratio, with_guest

FEW = 20  # samples, below which a shape would be invented: they are shown one by one
STEPS = 160  # points of a shape
LEAST_HEIGHT = 0.02  # of a shape: a single sample far out is the line's to show


def distribution(run, guest, figure, series):
    names = ordered(series, run.reference)
    medians = {name: median(series[name]["samples"]) for name in names}
    scale = scale_of(next(iter(series.values()))["unit"], medians.values())
    ratios = run.ratios(series)
    colours = colours_of(run.names())
    window = Window([numpy.asarray(series[name]["samples"], float) / scale.divisor for name in names])

    def draw(width, ink):
        canvas = Canvas(width, ROW * len(names) + AXIS + 6, ink)
        axes = canvas.axes(6, 0, width - 16, ROW * len(names) + 4)
        axes.set_ylim(ROW * len(names) + 4, 0)
        axes.set_xlim(window.low, window.high)
        value_axis(axes, scale.unit, window.is_log)
        for row, name in enumerate(names):
            value = scale.with_unit(medians[name])
            if name in ratios and name != run.reference:
                value = value_and_ratio(value, ratios[name], run.reference)
            row_texts(canvas, ROW * row, name, value)
            draw_row(axes, ROW * (row + 1) - 8, window, window.series[row], colours[name], ink)
        return canvas

    rows = [
        [
            name,
            scale.of(medians[name]),
            scale.of(percentile(series[name]["samples"], 99)),
            scale.of(min(series[name]["samples"])),
            *ratio_cell(ratios, name, run.reference),
        ]
        for name in names
    ]
    columns = [f"in {scale.unit}", "median", "p99", "min", *([f"× {run.reference}"] if ratios else [])]
    return Picture(
        with_guest(capitalised(figure), guest),
        caption(series, window),
        numbers(names, medians, scale, ratios, run.reference),
        draw,
        Table(columns, rows, colours),
    )


def capitalised(text):
    return text[:1].upper() + text[1:]


def ratio_cell(ratios, name, reference):
    if not ratios:
        return []
    return ["1" if name == reference else ratio_with_interval(ratios[name])]


def caption(series, window):
    count = len(next(iter(series.values()))["samples"])
    if count < FEW:
        return f"{count} {'round' if count == 1 else 'rounds'}: a point is a sample, the upright line the median."
    beyond = f" Samples beyond the edge of the picture: {window.beyond}." if window.beyond else ""
    return (
        f"{count} rounds. Below its shape, a line goes from the least sample to p99, thick where the middle half lies;"
        f" the upright line is the median.{beyond}"
    )


def numbers(names, medians, scale, ratios, reference):
    parts = []
    for name in names:
        beside = f", {ratio_with_interval(ratios[name])} of {reference}" if name in ratios and name != reference else ""
        parts.append(f"{name} {scale.with_unit(medians[name])}{beside}")
    return f"Medians: {'; '.join(parts)}."


class Window:
    """The part of the scale that is shown: from the least to a little past the largest p99."""

    def __init__(self, series):
        self.series = series
        least = min(samples.min() for samples in series)
        largest = max(percentile(samples, 99) for samples in series)
        self.is_log = largest > LOG_FROM * least
        if self.is_log:
            margin = (largest / least) ** 0.05
            self.low, self.high = least / margin, largest * margin
        else:
            margin = 0.06 * (largest - least) or 0.1 * largest
            self.low, self.high = least - margin, largest + margin
        self.beyond = int(sum((samples > self.high).sum() for samples in series))

    def across(self, samples):
        """Places of samples, of which equal steps are equal lengths on the scale."""
        return numpy.log(samples) if self.is_log else samples

    def back(self, places):
        return numpy.exp(places) if self.is_log else places


def draw_row(axes, base, window, samples, colour, ink):
    inside = samples[samples <= window.high]
    if len(samples) < FEW:
        axes.plot(inside, numpy.full(len(inside), base - 9), "o", ms=6, mew=0, color=colour, alpha=0.75)
    else:
        places, heights = shape(window, inside)
        axes.fill_between(
            window.back(places),
            base - 7,
            base - 7 - 24 * heights,
            where=heights > LEAST_HEIGHT,
            color=colour,
            alpha=0.85,
            lw=0,
        )
        axes.plot([samples.min(), min(percentile(samples, 99), window.high)], [base - 2] * 2, color=colour, lw=1.5)
        axes.plot([percentile(samples, 25), percentile(samples, 75)], [base - 2] * 2, color=colour, lw=5)
    axes.plot([median(samples)] * 2, [base - 31, base + 2], color=ink.text, lw=1.5, solid_capstyle="butt")


def shape(window, samples):
    """A Gaussian density estimate (Silverman's width), its top 1."""
    places = numpy.sort(window.across(samples))
    middle_half = percentile(places, 75) - percentile(places, 25)
    width = 0.9 * min(places.std(), middle_half / 1.34 or places.std()) * len(places) ** -0.2
    shown = window.across(window.high) - window.across(window.low)
    width = max(width, shown / 300)
    grid = numpy.linspace(
        max(places[0] - 3 * width, window.across(window.low)),
        min(places[-1] + 3 * width, window.across(window.high)),
        STEPS,
    )
    places = places[:: len(places) // 2000 + 1]
    heights = numpy.exp(-0.5 * ((grid[:, None] - places) / width) ** 2).sum(axis=1)
    return grid, heights / heights.max()
