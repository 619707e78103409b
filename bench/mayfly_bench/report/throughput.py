"""What is counted by the second (reads, frames): each program's ratio to the reference, with its interval."""

from .axis import AXIS, ROW, row_texts, value_axis
from .canvas import Canvas, colours_of
from ..statistics import median, percentile
from .picture import Picture, Table
from ..runs import ordered
from ..wording import number, ratio_with_interval, value_and_ratio, with_guest

HEADING = 26  # pixels


def throughput_picture(run, guest, figures):
    """`figures`: {figure: {program: record}}, all of the same guest."""
    ratios = {figure: run.ratios(series) for figure, series in figures.items()}
    colours = colours_of(run.names())
    # Only what is compared can be drawn: each figure has a scale of its own.
    drawn = {
        figure: [name for name in ordered(series, run.reference) if name != run.reference and ratios[figure]]
        for figure, series in figures.items()
    }
    drawn = {figure: names for figure, names in drawn.items() if names}

    def draw(width, ink):
        height = sum(HEADING + ROW * len(names) for names in drawn.values()) + AXIS
        canvas = Canvas(width, height, ink)
        axes = canvas.axes(6, 0, width - 16, height - AXIS)
        axes.set_ylim(height - AXIS, 0)
        axes.set_xlim(0, 1.04 * max(1, *(ratios[figure][name].high for figure in drawn for name in drawn[figure])))
        value_axis(axes, f"times {run.reference}")
        axes.axvline(1, color=ink.quiet, lw=1.5)
        top = 0
        for figure, names in drawn.items():
            canvas.text(0, top + 18, figure, color=ink.quiet)
            for row, name in enumerate(names):
                draw_ratio(
                    canvas,
                    axes,
                    top + HEADING + ROW * row,
                    name,
                    figures[figure][name],
                    ratios[figure][name],
                    run.reference,
                    colours[name],
                )
            top += HEADING + ROW * len(names)
        return canvas

    words = "; ".join(
        f"{figure}: " + ", ".join(f"{name} {ratio_with_interval(ratios[figure][name])}" for name in names)
        for figure, names in drawn.items()
    )
    caption = (
        f"Medians beside those of {run.reference}, with the 95 % interval." if drawn else "There is nothing to compare."
    )
    return Picture(
        with_guest("Throughput", guest),
        caption,
        f"{caption} {words}.",
        draw if drawn else None,
        table(run, figures, ratios, colours),
    )


def draw_ratio(canvas, axes, top, name, record, one, reference, colour):
    row_texts(canvas, top, name, value_and_ratio(f"{number(median(record['samples']))}/s", one, reference))
    axes.barh(top + 37, one.value, height=14, color=colour, alpha=0.85)
    axes.plot([one.low, one.high], [top + 37] * 2, color=canvas.ink.text, lw=1.5, solid_capstyle="butt")
    for end in (one.low, one.high):
        axes.plot([end] * 2, [top + 33, top + 41], color=canvas.ink.text, lw=1.5, solid_capstyle="butt")


def table(run, figures, ratios, colours):
    columns = ["a second", "median", "p99", "min", *([f"× {run.reference}"] if any(ratios.values()) else [])]
    rows = []
    for figure, series in figures.items():
        rows.append([figure])
        for name in ordered(series, run.reference):
            samples = series[name]["samples"]
            row = [name, number(median(samples)), number(percentile(samples, 99)), number(min(samples))]
            if len(columns) > len(row):
                one = ratios[figure].get(name)
                row.append("" if one is None else "1" if name == run.reference else ratio_with_interval(one))
            rows.append(row)
    return Table(columns, rows, colours)
