"""Draw a curve in one line of text."""

from collections.abc import Sequence
from math import isfinite

from tuitrain.analysis.decimate import decimate
from tuitrain.widgets.charts.raster import braille_cells

_PLAIN = "_.-~^"


def sparkline(values: Sequence[float], width: int, *, braille: bool = True) -> str:
    """Draw `values` scaled to their range in at most `width` cells; non-finite values leave gaps."""
    columns = min(width * 2 if braille else width, len(values))
    segments = decimate(range(len(values)), values, columns) if columns > 0 else []
    finite = [value for _, segment in segments for value in segment if isfinite(value)]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    dots = [0] * columns
    top = 3 if braille else len(_PLAIN) - 1
    for xs, ys in segments:
        for x, value in zip(xs, ys, strict=True):
            column = min(columns - 1, int(x * columns / max(1, len(values))))
            level = round((value / 2 - low / 2) / (high / 2 - low / 2) * top) if high > low else 0
            dots[column] = 1 << level
    if not braille:
        return "".join(f" {_PLAIN}"[bits.bit_length()] for bits in dots)
    cells = {column: character for column, _, character in braille_cells([*dots, 0])}
    return "".join(cells.get(column, " ") for column in range((columns + 1) // 2))
