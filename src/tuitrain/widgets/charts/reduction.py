"""Reduce long lines before they are drawn, and cache the result."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil, log
from typing import TypeVar

from tuitrain.analysis.decimate import MAX_POINTS, ReducedCurve, block_size, reduce
from tuitrain.widgets.charts.axis import Axis
from tuitrain.widgets.charts.line import Line
from tuitrain.widgets.charts.render import View

_CACHE_SIZE = 128
# The share of a smoothed value that may come from values outside the window of `smoothing_window`.
_NEGLIGIBLE = 1e-6
T = TypeVar("T")


class LineReducer:
    """Reduce long lines to few points and cache them; charts of the same runs share one reducer."""

    def __init__(self) -> None:
        self._curves: dict[object, ReducedCurve] = {}
        self._midpoints: dict[object, Sequence[float]] = {}

    def has(self, line: Line, extremes: bool) -> bool:
        return _curve_key(line, extremes) in self._curves

    def reduce_curve(self, line: Line, extremes: bool) -> ReducedCurve:
        """Reduce the y values of a line; cached until they change."""
        key = _curve_key(line, extremes)
        return _cached(self._curves, key, lambda: reduce(line.y, block_size(len(line.y)), extremes))

    def reduce_line(self, line: Line, axis: Axis, view: View) -> Line:
        """Return all visible points of a line, or few points of the whole line if that would be too many."""
        size = min(len(line.x), len(line.y))
        if block_size(size) == 1:
            return line
        start, stop = bisect_left(line.x, axis.low, 0, size), bisect_right(line.x, axis.high, 0, size)
        if stop - start <= 2 * MAX_POINTS:
            start, stop = max(0, start - 1 - smoothing_window(view.smooth)), min(size, stop + 1)
            return replace(line, x=line.x[start:stop], y=line.y[start:stop])
        curve = self.reduce_curve(line, view.extremes)
        x = _cached(self._midpoints, (line.cache_key, view.extremes), lambda: curve.x(line.x))
        return replace(line, x=x, y=curve.y, every=max(1, size // max(1, len(curve.y))))


def _curve_key(line: Line, extremes: bool) -> tuple[object, bool]:
    return line.cache_key and line.cache_key[1], extremes


def _cached(cache: dict[object, T], key: object, make: Callable[[], T]) -> T:
    """Return the cached value, or make it. Drop the first entries, which are the least recently used."""
    value = cache.pop(key, None)
    cache[key] = value = make() if value is None else value
    while len(cache) > _CACHE_SIZE:
        del cache[next(iter(cache))]
    return value


def smoothing_window(weight: float) -> int:
    """Return how many earlier values a moving average still depends on."""
    return ceil(log(_NEGLIGIBLE) / log(weight)) if weight else 0
