"""Starts a second against how many are in flight, and beside the reference at each."""

from matplotlib.ticker import FixedLocator, NullLocator

from .axis import LOG_FROM, PANEL, end_labels, limits, one_panel, panel, round_values, two_panels
from .canvas import colours_of
from .picture import Picture, Table
from ..runs import ordered
from ..statistics import fit_scaling, median, percentile
from ..wording import number, ratio_with_interval, tick, with_guest

MARKERS = "osD^vPX*"


def rates_picture(run, guest, by_flight):
    flights = sorted(by_flight)
    names = ordered(dict.fromkeys(name for flight in flights for name in by_flight[flight]), run.reference)
    medians = {
        name: {flight: median(by_flight[flight][name]["samples"]) for flight in flights if name in by_flight[flight]}
        for name in names
    }
    ratios = {flight: run.ratios(by_flight[flight]) for flight in flights}
    compared = [name for name in names if any(name in ratios[flight] for flight in flights)]
    colours = colours_of(run.names())
    laws = {name: fit_scaling(list(points), list(points.values())) for name, points in medians.items()}

    def draw_rates(canvas, place):
        axes = draw_lines(canvas, place, "starts a second", medians, flights, colours)
        draw_laws(axes, laws, flights, colours)

    def draw(width, ink):
        if len(compared) < 2:
            canvas, place = one_panel(width, ink)
            draw_rates(canvas, place)
            return canvas
        canvas, (first, second) = two_panels(width, ink)
        draw_rates(canvas, first)
        values = {
            name: {flight: ratios[flight][name].value for flight in flights if name in ratios[flight]}
            for name in compared
        }
        axes = draw_lines(canvas, second, f"times {run.reference}", values, flights, colours)
        draw_intervals(axes, ratios, flights, compared, colours, run.reference)
        return canvas

    caption = "Medians." + (" The pale bars are 95 % intervals." if len(compared) > 1 else "") + laws_in_words(laws)
    return Picture(
        with_guest("Rate of starts", guest),
        caption,
        numbers(names, medians, ratios, run.reference),
        draw,
        table(names, flights, by_flight, medians, ratios, run.reference, colours),
    )


def draw_lines(canvas, place, title, values, flights, colours):
    """`values`: {program: {in flight: value}}."""
    axes = panel(canvas, place, title, values)
    axes.set_xticks(range(len(flights)), [tick(flight) for flight in flights])
    axes.set_xlim(-0.2, len(flights) - 0.8)
    axes.set_xlabel("in flight", loc="right")
    amounts = [amount for points in values.values() for amount in points.values()]
    if max(amounts) > LOG_FROM * min(amounts):
        axes.set_yscale("log")
        axes.set_ylim(min(amounts) / 1.4, max(amounts) * 1.4)
        axes.yaxis.set_major_locator(FixedLocator(round_values(*axes.get_ylim())))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.set_ylim(*limits([[0, *amounts]]))
    axes.grid(axis="y")
    axes.yaxis.set_major_formatter(lambda value, _: tick(value))
    for at, (name, points) in enumerate(values.items()):
        places = [flights.index(flight) for flight in points]
        axes.plot(
            places, list(points.values()), marker=MARKERS[at % len(MARKERS)], ms=6, mew=0, lw=2, color=colours[name]
        )
    end_labels(canvas, axes, {name: list(points.values())[-1] for name, points in values.items()}, colours, PANEL)
    return axes


def draw_intervals(axes, ratios, flights, names, colours, reference):
    for name in names:
        for place, flight in enumerate(flights):
            one = ratios[flight].get(name)
            if one is not None and name != reference:
                axes.plot([place] * 2, [one.low, one.high], color=colours[name], lw=5, alpha=0.35)


def draw_laws(axes, laws, flights, colours):
    for name, law in laws.items():
        if law is not None:
            axes.plot(range(len(flights)), [law.at(flight) for flight in flights], ":", color=colours[name], lw=1.5)


def law_in_words(law):
    return f"{number(law.alone)} a second alone, contention {law.contention:.2f}, coherency {law.coherency:.4f}"


def laws_in_words(laws):
    fits = "; ".join(f"{name} {law_in_words(law)}" for name, law in laws.items() if law is not None)
    return f" Dotted, the universal scalability law that fits: {fits}." if fits else ""


def numbers(names, medians, ratios, reference):
    parts = []
    for name in names:
        best = max(medians[name], key=medians[name].get)
        beside = ratios[best].get(name) if name != reference else None
        parts.append(
            f"{name} {number(medians[name][best])} a second with {tick(best)} in flight"
            + (f", {ratio_with_interval(beside)} of {reference}" if beside else "")
        )
    return f"The most that each reached, medians: {'; '.join(parts)}."


def table(names, flights, by_flight, medians, ratios, reference, colours):
    has_ratios = any(ratios.values())
    columns = ["in flight", "median, 1/s", "p99", "min", *([f"× {reference}"] if has_ratios else [])]
    rows = []
    for name in names:
        rows.append([name])
        for flight in medians[name]:
            samples = by_flight[flight][name]["samples"]
            row = [tick(flight), number(medians[name][flight]), number(percentile(samples, 99)), number(min(samples))]
            if has_ratios:
                one = ratios[flight].get(name)
                row.append("" if one is None else "1" if name == reference else ratio_with_interval(one))
            rows.append(row)
    return Table(columns, rows, colours)
