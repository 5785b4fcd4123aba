"""Rasterize lines to dots, and dots to characters."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

Point = tuple[float, float]
Run = list[Point]

# Braille bits of the four dots in the left and right column of a cell, indexed by a bit mask from the bottom up.
_LEFT, _RIGHT = (
    [sum(dot for row, dot in enumerate(dots) if bits >> row & 1) for bits in range(16)]
    for dots in ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
)


def rasterize(strokes: Iterable[Run], width: int, height: int) -> list[int]:
    """Draw lines through points of the unit square with ascending x (Bresenham 1965). Return one integer per column of
    dots, whose bits are the rows from the bottom up."""
    columns = [0] * width
    for stroke in strokes:
        points = [(int((width - 1) * x + 0.5), int((height - 1) * y + 0.5)) for x, y in stroke]
        for (x0, y0), (x1, y1) in pairwise(points):
            slope = (y1 - y0) / (x1 - x0) if x1 > x0 else 0.0
            if abs(slope) <= 1 and x1 > x0:
                for x in range(x0, x1 + 1):
                    columns[x] |= 1 << int(y0 + slope * (x - x0) + 0.5)
                continue
            low, step = y0, 1 if y1 > y0 else -1
            for x in range(x0, x1 + 1):
                high = y1 if x == x1 else int(y0 + slope * (x - x0 + 0.5) + 0.5)
                columns[x] |= (2 << abs(high - low)) - 1 << min(low, high)
                low = high if x == x1 else high + step
    return columns


def braille_cells(columns: list[int]) -> Iterator[tuple[int, int, str]]:
    """Yield column, row from the bottom, and braille character of each cell with dots."""
    for column in range(len(columns) // 2):
        left, right = columns[2 * column : 2 * column + 2]
        rest = left | right
        while rest:
            row = (rest & -rest).bit_length() - 1 >> 2
            yield column, row, chr(0x2800 + _LEFT[left >> 4 * row & 15] + _RIGHT[right >> 4 * row & 15])
            rest = rest >> 4 * (row + 1) << 4 * (row + 1)


def character_cells(columns: list[int], character: str) -> Iterator[tuple[int, int, str]]:
    for column, rest in enumerate(columns):
        for row in range(rest.bit_length()):
            if rest >> row & 1:
                yield column, row, character


def clip_to_square(run: Run) -> list[Run]:
    inside = [0 <= x <= 1 and 0 <= y <= 1 for x, y in run]
    parts: list[Run] = []
    for index, (start, stop) in enumerate(pairwise(run)):
        cut = (start, stop) if inside[index] and inside[index + 1] else _clip(start, stop)
        if cut and parts and parts[-1][-1] == cut[0]:
            parts[-1].append(cut[1])
        elif cut:
            parts.append([*cut])
    return parts


def _clip(start: Point, stop: Point) -> tuple[Point, Point] | None:
    """Clip a straight line to the unit square (Liang and Barsky 1984)."""
    enter, leave = 0.0, 1.0
    for a, b in zip(start, stop, strict=True):
        if a == b and not 0 <= a <= 1:
            return None
        if a != b:
            near, far = sorted(((0 - a) / (b - a), (1 - a) / (b - a)))
            enter, leave = max(enter, near), min(leave, far)
    if enter > leave:
        return None
    (x0, y0), (x1, y1) = start, stop
    first = start if enter == 0 else (x0 + enter * (x1 - x0), y0 + enter * (y1 - y0))
    return first, stop if leave == 1 else (x0 + leave * (x1 - x0), y0 + leave * (y1 - y0))
