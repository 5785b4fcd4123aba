"""Reduce curves to the resolution of the screen."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from math import isfinite, nan

from msgspec import Struct

Segment = tuple[list[float], list[float]]
# The maximum number of points drawn per curve; curves up to twice as long are not reduced.
MAX_POINTS = 4096


def block_size(size: int, max_points: int = MAX_POINTS) -> int:
    """Return how many of `size` points to combine into one. A power of two, so that blocks stay aligned while a run
    grows."""
    return 1 << max(0, -(-size // max_points) - 1).bit_length() if size > 2 * max_points else 1


def reduce(y: Sequence[float], every: int, extremes: bool = False) -> "ReducedCurve":
    """Replace each block of `every` values by its mean, or with `extremes` by its minimum and maximum. Non-finite
    values leave a gap."""
    starts, ys = array("q"), array("d")
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
        starts.extend([start] * (len(ys) - len(starts)))
    return ReducedCurve(every, len(y), starts, ys)


class ReducedCurve(Struct, frozen=True):
    """Values `y` of blocks of `every` points; `starts` are the first points of the blocks among the original `size`
    points."""

    every: int
    size: int
    starts: "array[int]"
    y: "array[float]"

    def x(self, x: Sequence[float]) -> "array[float]":
        """Return the midpoint of each block."""
        firsts, lasts = x[: self.size : self.every], list(x[self.every - 1 : self.size : self.every])
        lasts += [x[self.size - 1]] * (len(firsts) - len(lasts))
        middles = [(first + last) / 2 for first, last in zip(firsts, lasts, strict=True)]
        return array("d", [middles[start // self.every] for start in self.starts])


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
    """Reduce a curve with ascending `x` to one point per screen column; return its unbroken segments `(x, y)`.

    Each of `columns` equal buckets from `low` to `high` becomes the mean of its points, or with `extremes` its lowest
    and highest point. One more point on either side lets lines reach the border of the view; None for `low` or `high`
    means the first or last x. A bucket with a non-finite value becomes a segment of its own, the mean of its finite
    points.
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
        if isolated := _points(*_finite(x[start:stop], y[start:stop]), extremes):
            segments.append(isolated)
        segments.append(([], []))
    return [segment for segment in segments if segment[0]]


def _buckets(
    x: Sequence[float], size: int, columns: int, low: float | None, high: float | None
) -> list[tuple[int, int]]:
    """Return the slice of points in each bucket; the first and the last slice hold one point outside the view."""
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
    """Return the points of a bucket; None if it is empty or contains a non-finite value."""
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
