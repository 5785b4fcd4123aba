"""Curves thinned out to what a screen can show."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from math import isfinite, nan

from msgspec import Struct

Segment = tuple[list[float], list[float]]
# More points of a line are never drawn, and up to twice as many are left as they are.
MOST = 4096


def block(size: int, most: int = MOST) -> int:
    """How many of `size` points become one where at most `most` are wanted; a power of two, so that the blocks stand
    still while a run grows. 1 up to twice as many."""
    return 1 << max(0, -(-size // most) - 1).bit_length() if size > 2 * most else 1


def thin(y: Sequence[float], every: int, extremes: bool = False) -> "Thinned":
    """Each `every` values of a long curve as their mean, or with `extremes` as the lowest and the highest of them. What
    is not finite leaves a gap."""
    places, ys = array("q"), array("d")
    for start in range(0, len(y), every):
        values = y[start : start + every]
        if gap := not isfinite(sum(values)):
            size = len(values)
            values = [value for value in values if isfinite(value)]
            gap = len(values) < size
        if values:
            ys.extend((min(values), max(values)) if extremes else (_mean(values),))
        if gap:
            ys.append(nan)
        places.extend([start] * (len(ys) - len(places)))
    return Thinned(every, len(y), places, ys)


class Thinned(Struct, frozen=True):
    """`y` for blocks of `every` values, which begin at `places` among the `size` values that there were."""

    every: int
    size: int
    places: "array[int]"
    y: "array[float]"

    def x(self, x: Sequence[float]) -> "array[float]":
        """The middles of the blocks."""
        firsts, lasts = x[: self.size : self.every], list(x[self.every - 1 : self.size : self.every])
        lasts += [x[self.size - 1]] * (len(firsts) - len(lasts))
        middles = [(first + last) / 2 for first, last in zip(firsts, lasts, strict=True)]
        return array("d", [middles[place // self.every] for place in self.places])


def _mean(values: Sequence[float]) -> float:
    total = sum(values)
    return total / len(values) if isfinite(total) else sum(value / len(values) for value in values)


def decimate(
    x: Sequence[float],
    y: Sequence[float],
    columns: int,
    low: float | None = None,
    high: float | None = None,
    extremes: bool = False,
) -> list[Segment]:
    """The curve as unbroken segments `(x, y)`, each of `columns` equal buckets from `low` to `high` as one point: the
    means of its x and y, or with `extremes` its lowest and highest point.

    `x` ascends. Only what lies in the view is kept, and the next point on either side, so that a line drawn through
    the points reaches the borders of the view; None: from the first, to the last x. A bucket with a value that is not
    finite stands apart from its neighbours, as the mean of those that are.
    """
    size = min(len(x), len(y))
    if not size or columns < 1:
        return []
    segments: list[Segment] = [([], [])]
    for start, stop in _buckets(x, size, columns, low, high):
        points = _points(x[start:stop], y[start:stop], extremes)
        if points is not None:
            segments[-1][0].extend(points[0])
            segments[-1][1].extend(points[1])
            continue
        if apart := _points(*_finite(x[start:stop], y[start:stop]), extremes):
            segments.append(apart)
        segments.append(([], []))
    return [segment for segment in segments if segment[0]]


def _buckets(
    x: Sequence[float], size: int, columns: int, low: float | None, high: float | None
) -> list[tuple[int, int]]:
    """Slices of the points that lie in each bucket; the first and last are one point outside the view."""
    low = x[0] if low is None else low
    high = x[size - 1] if high is None else high
    width = high / columns - low / columns
    start = first = bisect_left(x, low, 0, size)
    end = bisect_right(x, high, first, size)
    edges = [(first - 1, first)] if first else []
    for column in range(1, columns + 1):
        stop = bisect_left(x, low + column * width, start, end) if column < columns else end
        if stop > start:
            edges.append((start, stop))
            start = stop
    return [*edges, (end, end + 1)] if end < size else edges


def _points(x: Sequence[float], y: Sequence[float], extremes: bool) -> Segment | None:
    """What stands for a bucket; None where it holds nothing or a number that is not finite."""
    count = len(y)
    if not count or (not isfinite(sum(y)) and not all(map(isfinite, y))):
        return None
    if extremes and count > 1:
        ends = sorted((y.index(min(y)), y.index(max(y))))
        xs, ys = [float(x[i]) for i in ends], [float(y[i]) for i in ends]
    else:
        xs = [sum(x) / count]
        ys = [_mean(y)]
    return (xs, ys) if all(map(isfinite, xs)) else None


def _finite(x: Sequence[float], y: Sequence[float]) -> Segment:
    pairs = [pair for pair in zip(x, y, strict=True) if isfinite(pair[0]) and isfinite(pair[1])]
    return [x for x, _ in pairs], [y for _, y in pairs]
