"""What a chart is given: curves, and places to mark."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from tuitrain.widgets.terminal.colors import RGB

BRAILLE = "braille"
PLAIN = ".*+xo#"


@dataclass(frozen=True)
class Line:
    """A curve over ascending `x`. `marker`: BRAILLE for a line alone, or a character that is set along it; where it is
    not `joined` there are the characters alone. A line without a name is not in the legend.

    `stamp`, where it is given, has another first value whenever `x` has changed and another second one whenever `y`
    has, and spares comparing them. `every` is how many rows of the run each point stands for."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    color: RGB
    marker: str = BRAILLE
    joined: bool = True
    cache_key: tuple[object, object] | None = None
    every: int = 1


@dataclass(frozen=True)
class Mark:
    """A vertical line behind the curves."""

    x: float
    label: str
    color: RGB


def sign(line: Line, index: int, braille: bool = True) -> str:
    """The character that tells a line from the others without its colour; `index`: its place among them."""
    single = line.marker if line.marker != BRAILLE and cell_len(line.marker) == 1 else ""
    if braille:
        return "─" if line.marker == BRAILLE else single or "•"
    return single if single.isascii() and single.isprintable() and single else PLAIN[index % len(PLAIN)]
