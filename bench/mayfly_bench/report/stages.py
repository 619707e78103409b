"""Where the time of a start goes: the stages one after the other, a bar for each program."""

from .axis import AXIS, ROW, row_texts, value_axis
from .canvas import LEGEND_LINE, STAGES, Canvas, legend_lines
from ..statistics import median, percentile
from .picture import Picture, Table
from ..runs import ordered
from ..wording import number, time_scale, with_guest

OWN_SCALE_FROM = 3  # times from the shortest start to the longest
OWN_SCALE = 18  # pixels


def stages_picture(run, guest, series):
    names = ordered(series, run.reference)
    medians = {name: [(stage["name"], median(stage["samples"])) for stage in series[name]["stages"]] for name in names}
    totals = {name: sum(took for _, took in medians[name]) for name in names}
    scale = time_scale(totals.values())
    colours = stage_colours(medians)
    # Where one program takes much longer, a common scale would leave nothing to see of the others.
    has_own_scales = max(totals.values()) > OWN_SCALE_FROM * min(totals.values())

    def draw(width, ink):
        legend = legend_lines(colours.items(), width)
        pitch = ROW + (OWN_SCALE if has_own_scales else 0)
        height = pitch * len(names) + (0 if has_own_scales else AXIS) + LEGEND_LINE * len(legend) + 12
        canvas = Canvas(width, height, ink)
        for row, name in enumerate(names):
            row_texts(canvas, pitch * row, name, scale.with_unit(totals[name]))
            axes = canvas.axes(6, pitch * row + 26, width - 16, pitch * row + ROW - 4)
            largest = totals[name] if has_own_scales else max(totals.values())
            axes.set_xlim(0, 1.02 * (largest / scale.divisor or 1))
            axes.set_ylim(0, 1)
            has_labels = has_own_scales or row == len(names) - 1
            value_axis(axes, scale.unit if has_labels and not has_own_scales else "")
            axes.tick_params(labelbottom=has_labels)
            axes.grid(False)
            draw_bar(axes, medians[name], scale.divisor, colours, ink)
        canvas.legend(legend, height - LEGEND_LINE * len(legend) - 6)
        return canvas

    caption = "Median durations, one after the other, from spawn to the first output."
    caption += " Each bar has a scale of its own." if has_own_scales else ""
    return Picture(
        with_guest("Stages of a start", guest),
        caption,
        numbers(names, medians, totals, scale),
        draw,
        table(names, series, totals, colours),
    )


def stage_colours(medians):
    by_detail = sorted(medians.values(), key=len, reverse=True)
    names = dict.fromkeys(stage for bars in by_detail for stage, _ in bars)
    return {name: STAGES[at % len(STAGES)] for at, name in enumerate(names)}


def draw_bar(axes, bars, divisor, colours, ink):
    left = 0
    for stage, took in bars:
        axes.barh(0.5, took / divisor, left=left, height=0.72, color=colours[stage], edgecolor=ink.paper, linewidth=1)
        left += took / divisor


def numbers(names, medians, totals, scale):
    longest = {name: max(medians[name], key=lambda bar: bar[1]) for name in names}
    parts = [
        f"{name} {scale.with_unit(totals[name])}, most of it in {longest[name][0]}"
        f" ({scale.with_unit(longest[name][1])})"
        for name in names
    ]
    return f"Median durations: {'; '.join(parts)}."


def table(names, series, totals, colours):
    rows = []
    for name in names:
        rows.append([name])
        for stage in series[name]["stages"]:
            took, late = median(stage["samples"]), percentile(stage["samples"], 99)
            share = f"{100 * took / totals[name]:.1f} %" if totals[name] else ""
            rows.append([stage["name"], number(took), number(late), share])
    return Table(["in µs", "median", "p99", "share"], rows, colours)
