"""The report as one HTML file, which needs no network, no script and no other file."""

import html
import pathlib
import re

from .density import density_picture
from .distributions import distribution
from .rates import rates_picture
from .stages import stages_picture
from .throughput import throughput_picture
from ..wording import memory_scale, moment, span

HERE = pathlib.Path(__file__).resolve().parent
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def pictures_of(run):
    """All that a run measured, in the order shown."""
    amounts = [(key, series) for key, series in run.samples.items() if not is_rate(series)]
    pictures = [distribution(run, guest, figure, series) for (guest, figure), series in amounts]
    pictures += [stages_picture(run, guest, series) for guest, series in run.stages.items()]
    pictures += [rates_picture(run, guest, flights) for guest, flights in run.rates.items()]
    pictures += [density_picture(run, guest, series) for guest, series in run.density.items()]
    by_guest = {}
    for (guest, figure), series in run.samples.items():
        if is_rate(series):
            by_guest.setdefault(guest, {})[figure] = series
    return pictures + [throughput_picture(run, guest, figures) for guest, figures in by_guest.items()]


def is_rate(series):
    return next(iter(series.values()))["unit"] == "1/s"


def page(runs, pictures):
    """`pictures`: those of each run, as pictures_of() gave them."""
    commands = ", ".join(dict.fromkeys(run.header["command"] for run in runs))
    sections = [section(run, f"r{at}", shown) for at, (run, shown) in enumerate(zip(runs, pictures), 1)]
    contents = ""
    if len(runs) > 1:
        items = "".join(
            f'<li><a href="#r{at}">{text(run.header["command"])}, {moment(run.header["started"])}</a></li>'
            for at, run in enumerate(runs, 1)
        )
        contents = f'<nav aria-label="Runs"><ol>{items}</ol></nav>'
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Mayfly measured: {text(commands)}</title>
<style>
{(HERE / "page.css").read_text(encoding="utf-8")}</style>
</head>
<body>
<header>
<h1>Mayfly, measured</h1>
<p class="note">Programs are compared within one run: times move with the machine and the hour, ratios much less.</p>
{contents}
</header>
<main>
{"".join(sections)}</main>
<footer>
<p>A ratio is that of two medians; in brackets its 95 % interval, from a bootstrap of 2000 draws of whole rounds. Quote
both.</p>
</footer>
</body>
</html>
"""


def text(words):
    return html.escape(str(words))


def section(run, prefix, pictures):
    header = run.header
    figures = "".join(figure(picture, f"{prefix}f{at}") for at, picture in enumerate(pictures, 1))
    command = " ".join(["mayfly-bench", header["command"], *header["arguments"]])
    ended = (
        f' to <time datetime="{run.end["ended"]}">{span(header["started"], run.end["ended"])}</time>' if run.end else ""
    )
    return f"""<section id="{prefix}" aria-labelledby="{prefix}h">
<h2 id="{prefix}h">{text(header["command"])}</h2>
<p class="when"><time datetime="{header["started"]}">{moment(header["started"])}</time>{ended} UTC</p>
<p class="command"><code>{text(command)}</code></p>
{outcome(run)}{machine(header["machine"])}{figures or '<p class="note">Nothing was measured.</p>'}
{absent(run)}{programs(run)}</section>
"""


def outcome(run):
    if run.end is None:
        words = "This run has no end: it was killed, or is still going on. What it had finished is shown."
    elif run.end["outcome"] == "complete":
        return ""
    else:
        reason = f": {run.end['reason']}" if run.end["reason"] else ""
        words = (
            f"This run {'was interrupted' if run.end['outcome'] == 'interrupted' else 'failed'}{reason}."
            " What it had finished is shown."
        )
    return f'<p class="warning" role="note">{text(words)}</p>\n'


def machine(facts):
    shown = {
        "Processor": f"{facts['cpus']} × {facts['cpu']}",
        "Memory": memory_scale([facts["memory_kib"]]).with_unit(facts["memory_kib"]),
        "Kernel": facts["kernel"],
        "KVM": (facts["kvm"] or "none") + (", in a virtual machine" if facts["is_virtual"] else ", on bare metal"),
        "Load at the start": f"{facts['load']:.3g}",
    }
    rows = "".join(f"<div><dt>{name}</dt><dd>{text(value)}</dd></div>" for name, value in shown.items())
    return f'<dl class="machine">{rows}</dl>\n'


def absent(run):
    """Behind all that was measured."""
    if not run.absent:
        return ""
    items = "".join(
        f"<li><b>{text(program)}</b>{text(' with ' + ', '.join(guests) if guests else '')}: {text(reason)}</li>"
        for program, guests, reason in run.absences()
    )
    return f'<div class="absent"><h3>Not measured</h3><ul>{items}</ul></div>\n'


def figure(picture, prefix):
    drawing = ""
    if picture.draw is not None:
        label = html.escape(f"{picture.title}. {picture.numbers}")
        drawing = "".join(
            f'<div class="{kind}">{svg}</div>\n' for kind, svg in zip(("wide", "narrow"), picture.svgs(prefix, label))
        )
    return f"""<figure aria-labelledby="{prefix}h">
<h3 id="{prefix}h">{text(picture.title)}</h3>
{drawing}<figcaption>{text(picture.caption)}</figcaption>
</figure>
{table(picture.table, picture.title)}"""


def table(content, title):
    width = len(content.columns)
    heads = "".join(f'<th scope="col">{text(column)}</th>' for column in content.columns)
    body = "".join(
        heading_row(row[0], width, content) if len(row) == 1 else value_row(row, content) for row in content.rows
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{html.escape("Numbers: " + title)}">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>\n"
    )


def heading_row(name, width, content):
    return f'<tr class="group"><th scope="rowgroup" colspan="{width}">{swatch(name, content)}{text(name)}</th></tr>'


def value_row(row, content):
    cells = "".join(f"<td>{value(cell)}</td>" for cell in row[1:])
    return f'<tr><th scope="row">{swatch(row[0], content)}{text(row[0])}</th>{cells}</tr>'


def value(cell):
    """An interval stands apart, so that it can go to a line of its own on a phone."""
    first, bracket, rest = cell.partition(" (")
    return text(first) + f" <small>({text(rest)}</small>" if bracket else text(cell) or "–"


def swatch(name, content):
    colour = content.swatches.get(name)
    return f'<i class="swatch" style="border-color: {colour}"></i>' if colour else ""


def programs(run):
    if not run.programs:
        return ""
    rows = "".join(
        f"<div><dt>{text(one['program'])}{text(', guest ' + one['guest'] if one.get('guest') else '')}"
        f" <span>{text(one['version'])}</span></dt><dd><code>{text(' '.join(one['words']))}</code></dd></div>"
        for one in run.programs
    )
    return f'<div class="programs"><h3>What was run</h3><dl>{rows}</dl></div>\n'


def slug(title):
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "picture"
