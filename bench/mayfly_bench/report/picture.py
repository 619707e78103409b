"""What a report shows of one thing measured: a picture, the words that tell its main numbers, and a table."""

import dataclasses
import typing

import matplotlib

from .canvas import IN_PNG, MARKS, NARROW, WIDE, style


@dataclasses.dataclass
class Table:
    columns: list
    rows: list  # of lists of str: the first one names the row; a row of one is the heading of those below
    swatches: dict = dataclasses.field(default_factory=dict)  # {name of a row: colour}


@dataclasses.dataclass
class Picture:
    """`draw` takes a width and an Ink and returns a Canvas; None where there are only words and a table."""

    title: str
    caption: str  # how to read it
    numbers: str  # what it shows, for those who do not see it
    draw: typing.Optional[typing.Callable]
    table: Table

    def svgs(self, prefix, label):
        """The picture for a desk and for a phone; the style sheet shows the one that fits."""
        return [
            self.with_style(MARKS, width, lambda canvas, name=name: canvas.svg(f"{prefix}-{name}", label))
            for name, width in (("wide", WIDE), ("narrow", NARROW))
        ]

    def png(self):
        return self.with_style(IN_PNG, WIDE, lambda canvas: canvas.png())

    def with_style(self, ink, width, use):
        """Ticks are made when a picture is written, so the style has to hold until then."""
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(style(ink))
            return use(self.draw(width, ink))
