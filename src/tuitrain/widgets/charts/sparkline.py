"""A line in one line of text."""

from collections.abc import Sequence
from math import isfinite

from tuitrain.analysis.decimate import decimate

# The dots of a braille cell from its lowest to its highest, left and right.
_LEFT, _RIGHT = (0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08)
_PLAIN = "_.-~^"


def spark(values: Sequence[float], width: int, *, braille: bool = True) -> str:
    """`values` from their lowest to their highest in at most `width` cells; gaps where they are not finite."""
    columns = min(width * 2 if braille else width, len(values))
    segments = decimate(range(len(values)), values, columns) if columns > 0 else []
    finite = [value for _, segment in segments for value in segment if isfinite(value)]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    levels: list[int | None] = [None] * columns
    most = 3 if braille else len(_PLAIN) - 1
    for places, heights in segments:
        for place, value in zip(places, heights, strict=True):
            column = min(columns - 1, int(place * columns / max(1, len(values))))
            levels[column] = round((value / 2 - low / 2) / (high / 2 - low / 2) * most) if high > low else 0
    return _braille(levels) if braille else "".join(" " if level is None else _PLAIN[level] for level in levels)


def _braille(levels: list[int | None]) -> str:
    pairs = zip(levels[::2], [*levels[1::2], None], strict=False)
    return "".join(
        chr(0x2800 | (0 if left is None else _LEFT[left]) | (0 if right is None else _RIGHT[right]))
        for left, right in pairs
    )
