"""Lines as dots, and dots as characters."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

Point = tuple[float, float]
Run = list[Point]

# The characters of four dots above each other at the left and the right of a cell; the lowest bit is the lowest dot.
_LEFT, _RIGHT = (
    [sum(dot for place, dot in enumerate(dots) if bits >> place & 1) for bits in range(16)]
    for dots in ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
)


def dots(strokes: Iterable[Run], across: int, down: int) -> list[int]:
    """Of lines through points of the unit square, in which x ascends, the dots: for each column a number that has a bit
    for each row, the lowest row's first (Bresenham 1965)."""
    columns = [0] * across
    for stroke in strokes:
        places = [(int((across - 1) * x + 0.5), int((down - 1) * y + 0.5)) for x, y in stroke]
        for (x0, y0), (x1, y1) in pairwise(places):
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


def braille(columns: list[int]) -> Iterator[tuple[int, int, str]]:
    """The cells that have dots, two across and four down: column, row from below, and character."""
    for column in range(len(columns) // 2):
        left, right = columns[2 * column : 2 * column + 2]
        rest = left | right
        while rest:
            row = (rest & -rest).bit_length() - 1 >> 2
            yield column, row, chr(0x2800 + _LEFT[left >> 4 * row & 15] + _RIGHT[right >> 4 * row & 15])
            rest = rest >> 4 * (row + 1) << 4 * (row + 1)


def whole(columns: list[int], character: str) -> Iterator[tuple[int, int, str]]:
    """The same where each dot is a cell with this character."""
    for column, rest in enumerate(columns):
        for row in range(rest.bit_length()):
            if rest >> row & 1:
                yield column, row, character


def inside(run: Run) -> list[Run]:
    """The parts of a line that lie in the unit square."""
    seen = [0 <= x <= 1 and 0 <= y <= 1 for x, y in run]
    parts: list[Run] = []
    for place, (start, stop) in enumerate(pairwise(run)):
        cut = (start, stop) if seen[place] and seen[place + 1] else _clip(start, stop)
        if cut and parts and parts[-1][-1] == cut[0]:
            parts[-1].append(cut[1])
        elif cut:
            parts.append([*cut])
    return parts


def _clip(start: Point, stop: Point) -> tuple[Point, Point] | None:
    """What of a straight line lies in the unit square (Liang and Barsky 1984)."""
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
