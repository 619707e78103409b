"""The pictures of bench/SCALE.md."""

import pathlib

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (the backend first: there may be no display)

import experiments  # noqa: E402
import report  # noqa: E402

COLOURS = {"mayfly": "#0072b2", "mayfly-linux": "#56b4e9", "firecracker": "#d55e00", "general": "#555555"}
MARKS = {"mayfly": "o", "mayfly-linux": "s", "firecracker": "^", "general": "D"}
PLACES = range(len(experiments.KEEP_ALIVES_S))
SIZE_INCHES, DPI = (7.6, 5.4), 100
STYLE = {
    "font.size": 14,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "legend.frameon": False,
    "legend.fontsize": 12,
    "axes.titlesize": 15,
    "axes.titlelocation": "left",
}


def label(parameters, monitor, is_bare=False):
    values = parameters["monitors"][monitor]
    cost = f"{values['start_s'] * 1000:.3g} ms, {values['overhead_mib']:.3g} MiB"
    return f"{monitor}{', bare' if is_bare else ''} ({cost})"


def finish(figure, axes, path):
    axes.set_xticks(list(PLACES), [report.keep_text(keep) for keep in experiments.KEEP_ALIVES_S])
    axes.set_xlabel("keep-alive: how long a VM waits for its function's next call")
    if axes.get_yscale() == "log":
        axes.yaxis.set_major_formatter("{x:g}")
    has_own_legend = axes.get_legend() is not None
    if not has_own_legend:
        figure.legend(loc="lower center", ncol=2, fontsize=11)
    figure.tight_layout(rect=(0, 0 if has_own_legend else 0.17, 1, 1))
    figure.savefig(path, dpi=DPI, metadata={"Software": None})
    pyplot.close(figure)


def line(axes, found, make, name, shift=0.0, **style):
    """A figure over the keep-alives; left out where the host is overloaded."""
    cases = [(place, found[make(keep)]) for place, keep in zip(PLACES, experiments.KEEP_ALIVES_S)]
    kept = [(place, figures[name]) for place, figures in cases if not experiments.is_overloaded(figures)]
    half = [
        min(value.half_width, value.mean * 0.95) if value.half_width == value.half_width else 0 for _, value in kept
    ]
    axes.errorbar(
        [place + shift for place, _ in kept],
        [value.mean for _, value in kept],
        yerr=half,
        capsize=4,
        linewidth=2,
        markersize=8,
        **style,
    )


def series(parameters, axes, found, name):
    for number, monitor in enumerate(parameters["monitors"]):
        line(
            axes,
            found,
            lambda keep, monitor=monitor: experiments.Case(monitor, keep),
            name,
            shift=0.05 * (number - 1),
            label=label(parameters, monitor),
            color=COLOURS.get(monitor),
            marker=MARKS.get(monitor, "o"),
        )
    line(
        axes,
        found,
        lambda keep: experiments.bare("mayfly", keep),
        name,
        shift=-0.1,
        label=label(parameters, "mayfly", True),
        color=COLOURS["mayfly"],
        marker="o",
        markerfacecolor="white",
        linestyle="--",
    )


def price(parameters, found, path):
    figure, axes = pyplot.subplots(figsize=SIZE_INCHES)
    series(parameters, axes, found, "cost_cpus")
    axes.set_yscale("log")
    axes.set_ylabel("processors a host")
    axes.set_title("What starts and idle memory cost together")
    finish(figure, axes, path)


def hosts(parameters, found, path):
    figure, axes = pyplot.subplots(figsize=SIZE_INCHES)
    series(parameters, axes, found, "hosts_needed")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("hosts")
    axes.set_title("Hosts that the same calls need")
    finish(figure, axes, path)


def memory(found, path):
    figure, axes = pyplot.subplots(figsize=SIZE_INCHES)
    figures = [found[experiments.Case("mayfly", keep)] for keep in experiments.KEEP_ALIVES_S]
    busy, idle = ([each[name].mean for each in figures] for name in ("busy_gib", "idle_gib"))
    axes.bar(PLACES, busy, color="#0072b2", label="running calls", width=0.65)
    axes.bar(PLACES, idle, bottom=busy, color="#f0c27b", label="idle, kept alive", width=0.65)
    for place, figure_of in zip(PLACES, figures):
        axes.annotate(
            f"cold {figure_of['cold_share'].mean:.1%}".replace("%", " %"),
            (place, busy[place] + idle[place]),
            ha="center",
            va="bottom",
            fontsize=12,
            xytext=(0, 3),
            textcoords="offset points",
        )
    axes.set_ylabel("GiB a host")
    axes.set_title("Memory, and the share of calls that start a VM")
    axes.legend(loc="upper left")
    axes.margins(y=0.12)
    finish(figure, axes, path)


def latency(parameters, found, path):
    figure, axes = pyplot.subplots(figsize=SIZE_INCHES)
    series(parameters, axes, found, "mean_s")
    axes.set_yscale("log")
    axes.set_ylabel("seconds a call")
    axes.set_title("Latency that starts add to a call, mean")
    finish(figure, axes, path)


def draw(parameters, found, folder):
    folder = pathlib.Path(folder)
    with matplotlib.rc_context(STYLE):
        price(parameters, found, folder / "scale-price.png")
        hosts(parameters, found, folder / "scale-hosts.png")
        memory(found, folder / "scale-memory.png")
        latency(parameters, found, folder / "scale-latency.png")
