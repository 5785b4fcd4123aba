"""Draw a curve in one line of text."""

from collections.abc import Sequence
from math import isfinite

from tuitrain.analysis.decimate import decimate

# The dots of a braille cell from bottom to top, left and right.
_LEFT, _RIGHT = (0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08)
_PLAIN = "_.-~^"


def sparkline(values: Sequence[float], width: int, *, braille: bool = True) -> str:
    """Draw `values` scaled to their range in at most `width` cells; non-finite values leave gaps."""
    columns = min(width * 2 if braille else width, len(values))
    segments = decimate(range(len(values)), values, columns) if columns > 0 else []
    finite = [value for _, segment in segments for value in segment if isfinite(value)]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    levels: list[int | None] = [None] * columns
    top = 3 if braille else len(_PLAIN) - 1
    for xs, ys in segments:
        for x, value in zip(xs, ys, strict=True):
            column = min(columns - 1, int(x * columns / max(1, len(values))))
            levels[column] = round((value / 2 - low / 2) / (high / 2 - low / 2) * top) if high > low else 0
    return _braille(levels) if braille else "".join(" " if level is None else _PLAIN[level] for level in levels)


def _braille(levels: list[int | None]) -> str:
    pairs = zip(levels[::2], [*levels[1::2], None], strict=False)
    return "".join(
        chr(0x2800 | (0 if left is None else _LEFT[left]) | (0 if right is None else _RIGHT[right]))
        for left, right in pairs
    )
