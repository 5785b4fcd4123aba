"""The data that a chart draws: curves and marks."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from tuitrain.widgets.terminal.colors import RGB

BRAILLE = "braille"
PLAIN = ".*+xo#"


@dataclass(frozen=True)
class Line:
    """A curve over ascending `x`. A line without a name is not listed in the legend.

    `marker` is a character drawn along the line, or BRAILLE for none; if not `joined`, only markers are drawn.
    With `stepped`, a value holds until the next point.
    The two parts of `cache_key` change with `x` and with `y`, which saves comparing them. `every` is the number of
    logged rows per point.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    color: RGB
    marker: str = BRAILLE
    joined: bool = True
    cache_key: tuple[object, object] | None = None
    every: int = 1
    stepped: bool = False


@dataclass(frozen=True)
class Mark:
    """A vertical line behind the curves."""

    x: float
    label: str
    color: RGB


def sign(line: Line, index: int, braille: bool = True) -> str:
    """Return the character that identifies a line without color; `index` is its index in the chart."""
    single = line.marker if line.marker != BRAILLE and cell_len(line.marker) == 1 else ""
    if braille:
        return "─" if line.marker == BRAILLE else single or "•"
    return single if single.isascii() and single.isprintable() and single else PLAIN[index % len(PLAIN)]
