"""A picture's surface: matplotlib's Figure, measured in CSS pixels, and what makes its SVG part of a page.

In a page, colours of text, axes and paper are marks that become the style sheet's own colours, so that dark mode is its
affair. No display is needed: neither pyplot nor a window is ever made."""

import collections
import io
import itertools
import re

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from matplotlib.transforms import Affine2D, Bbox

Ink = collections.namedtuple("Ink", "text quiet rule paper")
MARKS = Ink("#010203", "#020304", "#030405", "#040506")  # colours that nothing else has
IN_PAGE = Ink("currentColor", "var(--quiet)", "var(--rule)", "var(--paper)")
IN_PNG = Ink("#1c2024", "#5a626b", "#dcdcd4", "#ffffff")

# Apart for every kind of colour blindness (after Okabe and Ito), and of a middle lightness: each stands out from
# white and from black by 3:1.
PROGRAMS = {
    "floor": "#7d8590",
    "mayfly": "#d9541e",
    "qemu": "#2b7bba",
    "firecracker": "#0a9570",
    "kvmtool": "#b868a8",
    "cloud-hypervisor": "#9a7d1c",
}
OTHERS = ["#7a68c8", "#a0693c", "#3a97a8", "#c2567a", "#6b8e23", "#8a6fae"]
STAGES = [
    "#2b7bba",
    "#d9541e",
    "#0a9570",
    "#b868a8",
    "#9a7d1c",
    "#3a97a8",
    "#7a68c8",
    "#c2567a",
    "#6b8e23",
    "#7d8590",
    "#4f6fd0",
    "#b07a5a",
]

WIDE, NARROW = 720, 358  # a column of the page on a desk and on a phone
MARGIN = 16  # around a picture that is a file of its own
SIZE, SMALL = 13, 12  # of text
LEGEND_LINE = 22
PIXELS_PER_INCH = 72  # so that matplotlib's points are the page's pixels


def style(ink):
    return {
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": SIZE,
        "text.parse_math": False,
        "svg.fonttype": "none",
        "text.color": ink.text,
        "axes.facecolor": "none",
        "axes.edgecolor": ink.rule,
        "axes.labelcolor": ink.quiet,
        "xtick.labelcolor": ink.quiet,
        "ytick.labelcolor": ink.quiet,
        "xtick.color": ink.rule,
        "ytick.color": ink.rule,
        "grid.color": ink.rule,
        "grid.linewidth": 1,
        "xtick.labelsize": SMALL,
        "ytick.labelsize": SMALL,
        "axes.labelsize": SMALL,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "xtick.minor.size": 0,
        "ytick.minor.size": 0,
    }


def colours_of(programs):
    """{program: colour}: the known ones keep theirs in every picture."""
    others = itertools.cycle(OTHERS)
    return {program: PROGRAMS.get(program) or next(others) for program in programs}


def text_width(text, size=SIZE, weight="normal"):
    font = FontProperties(family="DejaVu Sans", size=size, weight=weight)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    # What the font does not have (wide scripts, signs) is as wide as it is high at most.
    return width + 0.5 * size * sum(ord(letter) > 0x2000 for letter in text)


def fitted(text, width, size=SIZE, weight="normal"):
    """The text, cut with an ellipsis where it is wider than `width`."""
    if text_width(text, size, weight) <= width:
        return text
    while text and text_width(text + "…", size, weight) > width:
        text = text[:-1]
    return text + "…"


class Canvas:
    def __init__(self, width, height, ink):
        self.width, self.height, self.ink = width, height, ink
        self.figure = Figure(
            figsize=(width / PIXELS_PER_INCH, height / PIXELS_PER_INCH),
            dpi=PIXELS_PER_INCH,
            facecolor="none" if ink is MARKS else ink.paper,
        )

    def axes(self, left, top, right, bottom):
        """Axes whose edges lie so many pixels from the canvas's left and upper edge."""
        return self.figure.add_axes(
            [left / self.width, 1 - bottom / self.height, (right - left) / self.width, (bottom - top) / self.height]
        )

    def text(self, x, y, text, **more):
        """Text at pixels from the upper left corner, on its base line."""
        more = {"va": "baseline", "fontsize": SIZE, **more}
        return self.figure.text(x / self.width, 1 - y / self.height, text, **more)

    def swatch(self, x, y, colour):
        """A square on the base line `y`."""
        patch = matplotlib.patches.Rectangle(
            (x / self.width, 1 - (y + 1) / self.height),
            11 / self.width,
            11 / self.height,
            transform=self.figure.transFigure,
            facecolor=colour,
        )
        self.figure.add_artist(patch)

    def legend(self, lines, top):
        """Swatches with their names, as legend_lines() parted them."""
        for number, line in enumerate(lines):
            x, y = 0, top + 16 + LEGEND_LINE * number
            for name, colour, room in line:
                self.swatch(x, y, colour)
                self.text(x + 17, y, name)
                x += room

    def svg(self, prefix, label):
        """The picture as an element of a page. `prefix` keeps its ids apart from those of other pictures."""
        file = io.StringIO()
        with matplotlib.rc_context({"svg.hashsalt": prefix}):
            FigureCanvasSVG(self.figure).print_figure(file, format="svg", metadata={"Date": None})
        return part_of_page(file.getvalue(), prefix, label)

    def png(self):
        file = io.BytesIO()
        with_margin = Bbox([[-MARGIN, -MARGIN], [self.width + MARGIN, self.height + MARGIN]])
        FigureCanvasAgg(self.figure).print_figure(
            file,
            format="png",
            dpi=2 * PIXELS_PER_INCH,
            metadata={"Software": None},
            bbox_inches=with_margin.transformed(Affine2D().scale(1 / PIXELS_PER_INCH)),
        )
        return file.getvalue()


def legend_lines(entries, width):
    """(name, colour) pairs, parted into lines of at most `width`, each with the room that it takes."""
    lines, used = [[]], 0
    for name, colour in entries:
        name = fitted(name, width - 20)
        room = text_width(name) + 17 + 18
        if lines[-1] and used + room - 18 > width:
            lines.append([])
            used = 0
        lines[-1].append((name, colour, room))
        used += room
    return lines


def part_of_page(svg, prefix, label):
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->", "", svg, flags=re.DOTALL)
    opening = re.match(r"<svg[^>]*>", svg).group()
    box = re.search(r'viewBox="([^"]*)"', opening).group(1)
    drawn = re.sub(r"<[^>]*>", lambda tag: tag_of_page(tag.group(), prefix), svg[len(opening) :])
    return f'<svg viewBox="{box}" role="img" aria-label="{label}">' + re.sub(r"\n\s*", "\n", drawn)


def tag_of_page(tag, prefix):
    tag = re.sub(r' id="', f' id="{prefix}-', tag.replace("xlink:href", "href"))
    tag = re.sub(r'(url\(|href=")#', rf"\g<1>#{prefix}-", tag)
    for mark, colour in zip(MARKS, IN_PAGE):
        tag = tag.replace(mark, colour)
    # The page's own font: those of phones and desks are narrower than the one that was measured with.
    return re.sub(r"font: ([^;\"]*?)(\d+(?:\.\d+)?)px [^;\"]*", lambda font: svg_font(*font.groups()), tag)


def svg_font(style, size):
    weight = next((word for word in style.split() if word.isdigit() or word == "bold"), None)
    return f"font-size: {size}px" + (f"; font-weight: {weight}" if weight else "")
