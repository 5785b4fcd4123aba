"""Curves drawn as text. Alone to know plotext, which is given nothing but lines of numbers from 0 to 1."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby, pairwise
from math import ceil, floor, isfinite, log10

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from tuitrain.analysis.decimate import Segment, decimate
from tuitrain.analysis.smooth import smooth
from tuitrain.analysis.units import number, tick_labels, tick_step, ticks
from tuitrain.text import plain

RGB = tuple[int, int, int]
Cell = tuple[str, RGB | None]
Point = tuple[float, float]
Stroke = tuple[list[Point], RGB, str]

BRAILLE = "braille"
PLAIN = ".*+xo#"
GREY: RGB = (128, 128, 128)
_HUGE = 1e300
_FLAT = 1e-5
_DOTS = 6000
_ROW = re.compile(r"(?:\x1b\[38;2;(\d+);(\d+);(\d+)m)?([^\x1b]+)(?:\x1b\[0m)*")


@dataclass(frozen=True)
class Line:
    """A curve over ascending `x`. `marker`: BRAILLE for a line alone, or a character that is set along it; where it is
    not `joined` there are the characters alone."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    color: RGB
    marker: str = BRAILLE
    joined: bool = True


@dataclass(frozen=True)
class Mark:
    """A vertical line behind the curves."""

    x: float
    label: str
    color: RGB


@dataclass(frozen=True)
class View:
    """What of the curves is seen; None: all there is. `robust` leaves out y values far from most others."""

    log_y: bool = False
    smooth: float = 0.0
    x_from: float | None = None
    x_to: float | None = None
    y_from: float | None = None
    y_to: float | None = None
    robust: bool = False


ALL = View()


@dataclass(frozen=True)
class Axis:
    """The range of one direction; with `log` its ends are exponents of ten."""

    low: float
    high: float
    log: bool = False

    @classmethod
    def over(cls, values: Iterable[float], log: bool = False) -> "Axis | None":
        """As long as `values` need; None where none of them has a place."""
        scale = cls(0.0, 1.0, log)
        scaled = [place for value in values if (place := scale.scaled(value)) is not None]
        return cls(min(scaled), max(scaled), log).widened() if scaled else None

    def widened(self) -> "Axis":
        """Room around a range with nothing, or nothing to tell apart, between its ends."""
        size = max(abs(self.low), abs(self.high))
        if self.high - self.low > (_FLAT if self.log else max(_FLAT * size, 1 / _HUGE)):
            return self
        room = 0.1 if self.log else max(0.1 * size, 1 / _HUGE) if size else 0.5
        return replace(self, low=self.low - room, high=self.high + room)

    def rounded(self, most: int) -> "Axis":
        """The range from tick to tick, so that it stands still while curves grow."""
        if self.log:
            return replace(self, low=_neat_exponent(self.low), high=-_neat_exponent(-self.high))
        step = tick_step(self.high - self.low, most)
        return Axis(floor(self.low / step + 1e-6) * step, ceil(self.high / step - 1e-6) * step)

    def scaled(self, value: float) -> float | None:
        """None: a value that has no place here."""
        if not isfinite(value) or (self.log and value <= 0):
            return None
        return log10(value) if self.log else min(max(value, -_HUGE), _HUGE)

    def place(self, value: float) -> float | None:
        """0 at the low end, 1 at the high end; what is far outside only as far as a thousand."""
        scaled = self.scaled(value)
        return None if scaled is None else min(max((scaled - self.low) / (self.high - self.low), -1e3), 1e3)

    def ticks(self, most: int, percent: bool = False) -> list[tuple[float, str]]:
        """Places of at most about `most` neat numbers, and their labels."""
        if self.log:
            values = self._powers(most)
            labels = [number(100 * value if percent else value) for value in values]
        else:
            step = tick_step(self.high - self.low, most)
            values = ticks(self.low, self.high, step)
            labels = tick_labels([100 * v for v in values], 100 * step) if percent else tick_labels(values, step)
        unit = "%" if percent else ""
        return [(self.place(value) or 0.0, label + unit) for value, label in zip(values, labels, strict=True)]

    def _powers(self, most: int) -> list[float]:
        step = max(1, round(tick_step(self.high - self.low, most)))
        factors = (1, 2, 5) if 3 * (self.high - self.low) <= most + 1 else (1,)
        exponents = range(floor(self.low), floor(self.high + 1e-9) + 1)
        values = [factor * 10.0**exponent for exponent in exponents if exponent % step == 0 for factor in factors]
        values = [value for value in values if value > 0 and self.low - 1e-9 <= log10(value) <= self.high + 1e-9]
        return values if len(values) > 1 else [10**self.low, 10**self.high]

    def narrowed(self, low: float | None, high: float | None) -> "Axis":
        """With these ends in place of its own, where they are given and have a place."""
        ends = [self.low, self.high]
        for index, value in enumerate((low, high)):
            if value is not None and (scaled := self.scaled(value)) is not None:
                ends[index] = scaled
        return replace(self, low=min(ends), high=max(ends)).widened()


def _neat_exponent(exponent: float) -> float:
    """The next lower one of a power of ten, or of 2 or 5 times one; the next higher one with both signs turned."""
    power = floor(exponent + 1e-9)
    return max(power + part for part in (0.0, log10(2), log10(5)) if power + part <= exponent + 1e-9)


def x_axis(lines: Sequence[Line], view: View) -> Axis | None:
    """The x that are seen; None where there is no data."""
    sizes = [(line, min(len(line.x), len(line.y))) for line in lines]
    axis = Axis.over(x for line, size in sizes if size for x in (line.x[0], line.x[size - 1]))
    return axis and axis.narrowed(view.x_from, view.x_to)


def shown(line: Line, view: View) -> Sequence[float]:
    """The y of a line as they are drawn."""
    return smooth(line.y, view.smooth) if view.smooth > 0 else line.y


def sign(line: Line, index: int, braille: bool = True) -> str:
    """The character that tells a line from the others without its colour; `index`: its place among them."""
    single = line.marker if line.marker != BRAILLE and cell_len(line.marker) == 1 else ""
    if braille:
        return "─" if line.marker == BRAILLE else single or "•"
    return single if single.isascii() and single.isprintable() and single else PLAIN[index % len(PLAIN)]


def draw(
    lines: Sequence[Line],
    width: int,
    height: int,
    view: View = ALL,
    *,
    marks: Sequence[Mark] = (),
    x_label: str = "",
    percent: bool = False,
    braille: bool = True,
    foreground: RGB = GREY,
    grid: RGB = GREY,
    empty: str = "no data yet",
) -> Text:
    """Exactly `height` rows of at most `width` cells, for any numbers at all.

    `percent`: y are fractions, labelled as per cent. Without `braille` only ASCII is drawn. `foreground` is the
    colour of labels, `grid` that of the axes. `empty` is said where there is nothing to draw.
    """
    across = x_axis(lines, view)
    if width < 1 or height < 1 or across is None:
        return _note(empty, width, height, foreground)
    curves = [decimate(line.x, shown(line, view), 2 * width, across.low, across.high) for line in lines]
    frame = 2 if height >= 7 else 1 if height >= 4 else 0
    along = _y_axis(curves, across, view, percent, _most(height - frame))
    if along is None:
        return _note(empty, width, height, foreground)
    y_ticks = along.ticks(_most(height - frame), percent)
    left = 1 + max(cell_len(label) for _, label in y_ticks)
    left = left if width >= left + 10 else 0
    canvas = Canvas(width - left, height - frame, braille)
    canvas.trace(lines, [[_placed(segment, across, along) for segment in curve] for curve in curves])
    for mark in marks:
        canvas.mark(mark, across.place(mark.x))
    rows = _beside(canvas, y_ticks, left, foreground, grid)
    rows += _under(canvas, across.ticks(max(1, canvas.width // 10)), left, x_label, foreground, grid)[-frame:] * (frame > 0)
    return _text(rows)


def _most(height: int) -> int:
    """How many parts the y axis has at most."""
    return min(max(height // 3, 1), 8)


def _y_axis(curves: list[list[Segment]], across: Axis, view: View, percent: bool, most: int) -> Axis | None:
    """The y that are seen: of the points in view, else of those that lines in view lead to."""
    points = [point for curve in curves for xs, ys in curve for point in zip(xs, ys, strict=True)]
    values = [y for x, y in points if across.low <= x <= across.high] or [y for _, y in points]
    if view.robust and len(values) >= 20:
        ordered = sorted(values)
        low, high = ordered[len(ordered) // 20], ordered[-1 - len(ordered) // 20]
        values = [y for y in values if low - 2 * (high - low) <= y <= high + 2 * (high - low)]
    axis = Axis.over(values, view.log_y)
    if axis is None:
        return None
    axis = axis.rounded(most)
    if percent and not view.log_y and all(0 <= y <= 1 for y in values):
        axis = replace(axis, low=max(axis.low, 0.0), high=min(axis.high, 1.0))
    return axis.narrowed(view.y_from, view.y_to)


def _placed(segment: Segment, across: Axis, along: Axis) -> list[Point]:
    """The points of a segment that have a place, in a unit square that is what is seen."""
    places = ((across.place(x), along.place(y)) for x, y in zip(*segment, strict=True))
    return [(x, y) for x, y in places if x is not None and y is not None]


def _clip(start: Point, stop: Point) -> tuple[Point, Point] | None:
    """What of a straight line lies in the unit square (Liang and Barsky 1984)."""
    enter, leave = 0.0, 1.0
    for a, b in zip(start, stop, strict=True):
        if a == b:
            if not 0 <= a <= 1:
                return None
            continue
        near, far = sorted(((0 - a) / (b - a), (1 - a) / (b - a)))
        enter, leave = max(enter, near), min(leave, far)
    if enter > leave:
        return None
    (x0, y0), (x1, y1) = start, stop
    first = start if enter == 0 else (x0 + enter * (x1 - x0), y0 + enter * (y1 - y0))
    return first, stop if leave == 1 else (x0 + leave * (x1 - x0), y0 + leave * (y1 - y0))


def _inside(points: list[Point]) -> list[list[Point]]:
    """The parts of a line that lie in the unit square."""
    parts: list[list[Point]] = []
    for start, stop in pairwise(points):
        if (cut := _clip(start, stop)) is None:
            continue
        if parts and parts[-1][-1] == cut[0]:
            parts[-1].append(cut[1])
        else:
            parts.append([*cut])
    return parts


class Canvas:
    """Rows of cells, each a character and its colour, the top row first."""

    def __init__(self, width: int, height: int, braille: bool) -> None:
        self.width, self.height, self.braille = width, height, braille
        self.dots = (2 * width, 4 * height) if braille else (width, height)
        self.rows: list[list[Cell]] = [[(" ", None)] * width for _ in range(height)]

    def cell(self, point: Point) -> tuple[int, int]:
        """Column and row of a point of the unit square."""
        column, row = (int((dots - 1) * place + 0.5) for dots, place in zip(self.dots, point, strict=True))
        return (column // 2, self.height - 1 - row // 4) if self.braille else (column, self.height - 1 - row)

    def trace(self, lines: Sequence[Line], curves: list[list[list[Point]]]) -> None:
        """Draw the lines, the last on top."""
        signs = [sign(line, index, self.braille) for index, line in enumerate(lines)]
        strokes = [
            (part, line.color, BRAILLE if self.braille else mark)
            for line, mark, curve in zip(lines, signs, curves, strict=True)
            if line.joined
            for points in curve
            for part in _inside(points)
        ]
        self._plot(_shortened(strokes, self.dots))
        for index, (line, mark, curve) in enumerate(zip(lines, signs, curves, strict=True)):
            single = "•" if mark == "─" else mark
            spots = [points[0] for points in curve if len(points) == 1]
            if not line.joined or line.marker != BRAILLE and self.braille:
                spots = [point for points in curve for point in points]
            spots = [(x, y) for x, y in spots if 0 <= x <= 1 and 0 <= y <= 1]
            self._stamp(spots, single, line.color, index if line.joined else None)

    def _stamp(self, spots: list[Point], character: str, color: RGB, offset: int | None) -> None:
        """Set a character at the spots; where they are many only here and there, unless `offset` is None."""
        sparse = offset is None or len(spots) <= self.width // 4
        gap = 1 if sparse else max(self.width // 6, 6)
        due = 0 if sparse else (2 * (offset or 0) + 1) * 3 % gap
        for spot in spots:
            column, row = self.cell(spot)
            if sparse or column >= due:
                self.rows[row][column] = (character, color)
                due = column + gap
