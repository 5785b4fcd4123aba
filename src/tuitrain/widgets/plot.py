"""Curves drawn as text. Alone to know plotext, which is given nothing but lines of numbers from 0 to 1."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby, pairwise
from math import ceil, floor, isfinite, log10
from operator import itemgetter

from rich.cells import cell_len
from rich.color import Color
from rich.segment import Segment as Piece
from rich.style import NULL_STYLE, Style
from rich.text import Text

from tuitrain.analysis.decimate import Segment, decimate
from tuitrain.analysis.smooth import smooth
from tuitrain.analysis.units import number, tick_labels, tick_step, ticks
from tuitrain.text import plain
from tuitrain.widgets.look import GREY, RGB

Cell = tuple[str, RGB | None]
Point = tuple[float, float]
Run = list[Point]
Row = list[Cell]

BRAILLE = "braille"
PLAIN = ".*+xo#"
_HUGE = 1e300
_FLAT = 1e-5
_BUDGET = 4000
_COLORED = re.compile(r"(?:\x1b\[38;2;(\d+);(\d+);(\d+)m)?([^\x1b]+)(?:\x1b\[0m)*")


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
    stamp: tuple[object, object] | None = None
    every: int = 1


@dataclass(frozen=True)
class Mark:
    """A vertical line behind the curves."""

    x: float
    label: str
    color: RGB


@dataclass(frozen=True)
class View:
    """What of the curves is seen; None: all there is. `robust` leaves out y values far from most others; `extremes`
    shows the lowest and highest y where several share a column, and not their mean."""

    log_y: bool = False
    smooth: float = 0.0
    x_from: float | None = None
    x_to: float | None = None
    y_from: float | None = None
    y_to: float | None = None
    robust: bool = False
    extremes: bool = False


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
        """The range from one neat number to another, so that it stands still while curves grow."""
        if self.log:
            return replace(self, low=_neat_exponent(self.low), high=-_neat_exponent(-self.high))
        step = tick_step(self.high - self.low, most)
        return Axis(floor(self.low / step + 1e-6) * step, ceil(self.high / step - 1e-6) * step)

    def scaled(self, value: float) -> float | None:
        """None: a value that has no place here."""
        if not isfinite(value) or (self.log and value <= 0):
            return None
        value = min(max(value, 1 / _HUGE if self.log else -_HUGE), _HUGE)
        return log10(value) if self.log else value

    def place(self, value: float) -> float | None:
        """0 at the low end, 1 at the high end; what is far outside only as far as a thousand."""
        scaled = self.scaled(value)
        return None if scaled is None else min(max((scaled - self.low) / (self.high - self.low), -1e3), 1e3)

    def ticks(self, most: int, percent: bool = False, whole: bool = False) -> list[tuple[float, str]]:
        """Places of at most about `most` neat numbers, only `whole` ones if so, and their labels."""
        if self.log:
            values = self._powers(most)
            labels = [number(100 * value if percent else value) for value in values]
        else:
            smallest = 1.0 if whole else 0.0
            step = max(tick_step(self.high - self.low, most), smallest)
            if len(ticks(self.low, self.high, step)) < 2:
                step = max(tick_step(self.high - self.low, 2 * most), smallest)
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
    return smooth(line.y, view.smooth**line.every) if view.smooth > 0 else line.y


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
    """Exactly `height` rows of at most `width` cells, for any numbers at all; nothing for a size of 0.

    `percent`: y are fractions, labelled as per cent. Without `braille` only ASCII is drawn. `foreground` is the
    colour of labels, `grid` that of the axes. `empty` is said where there is nothing to draw.
    """
    drawn = picture(lines, width, height, view, percent=percent, braille=braille)
    rows = drawn.rows(marks, x_label=x_label, foreground=foreground, grid=grid, empty=empty)
    pieces = [Text.assemble(*((piece.text, piece.style or "") for piece in segments(row))) for row in rows]
    return Text("\n", no_wrap=True, end="").join(pieces)


def picture(
    lines: Sequence[Line],
    width: int,
    height: int,
    view: View = ALL,
    *,
    top: Sequence[int] = (),
    percent: bool = False,
    braille: bool = True,
) -> "Picture":
    """What takes long of `draw`: to be kept while only marks move. `top`: places of lines that lie above the others."""
    if width < 1 or height < 1:
        return Picture(width, height)
    below = 2 if height >= 7 else 1 if height >= 4 else 0
    most = min(max((height - below) // 3, 2), 8)
    lines = [replace(line, y=shown(line, view)) for line in lines]
    across = x_axis(lines, view)
    curves = _curves(lines, across, 2 * width, view.extremes)
    along = _y_axis(curves, across, view, percent, most)
    if across is None or along is None:
        return Picture(width, height)
    y_ticks = along.ticks(most, percent)
    left = 1 + max((len(label) for _, label in y_ticks), default=0)
    left = left if width >= left + 10 else 0
    canvas = Canvas(width - left, height - below, braille)
    traces = _traces(lines, curves, across, along, canvas, view.extremes)
    canvas.trace(sorted(enumerate(traces), key=lambda one: one[0] in top))
    whole = all(isinstance(line.x[0], int) for line in lines if len(line.x))
    x_ticks = across.ticks(max(canvas.width // 10, 1), whole=whole)
    return Picture(width, height, canvas, traces, across, left, below, x_ticks, y_ticks)


@dataclass(frozen=True)
class Picture:
    """Curves as drawn, without marks and labels; without a canvas there was nothing to draw."""

    width: int
    height: int
    canvas: "Canvas | None" = None
    traces: Sequence["Trace"] = ()
    across: Axis = Axis(0.0, 1.0)
    left: int = 0
    below: int = 0
    x_ticks: Sequence[tuple[float, str]] = ()
    y_ticks: Sequence[tuple[float, str]] = ()

    def over(self, top: Sequence[int]) -> "Picture":
        """With the lines at these places drawn again, above the others."""
        if self.canvas is None:
            return self
        canvas = self.canvas.copy()
        canvas.trace([(index, self.traces[index]) for index in top])
        return replace(self, canvas=canvas)

    def rows(self, marks: Sequence[Mark], *, x_label: str, foreground: RGB, grid: RGB, empty: str) -> list[Row]:
        if self.width < 1 or self.height < 1:
            return []
        if self.canvas is None:
            return _note(empty, self.width, self.height, foreground)
        canvas = self.canvas.copy()
        for mark in marks:
            canvas.mark(mark, self.across.place(mark.x))
        rows = _beside(canvas, self.y_ticks, self.left, foreground, grid)
        return rows + _under(canvas, self.x_ticks, self.left, x_label, foreground, grid)[2 - self.below :]


@dataclass(frozen=True)
class Trace:
    """A line in the unit square that is what is seen: `runs` are the points that follow each other, some of them
    outside, `strokes` is what can be seen of the lines through them."""

    line: Line
    runs: list[Run]
    strokes: list[Run]

    def cost(self, across: int, down: int) -> float:
        """About how many dots it has on a grid of dots; to plotext a further stroke costs as much as 150 of them."""
        steps = (step for stroke in self.strokes for step in pairwise(stroke))
        dots = sum(max(abs(x1 - x0) * across, abs(y1 - y0) * down) for (x0, y0), (x1, y1) in steps)
        return 150 * max(len(self.strokes) - 1, 0) + dots


class Canvas:
    """Rows of cells, each a character and its colour, the top row first."""

    def __init__(self, width: int, height: int, braille: bool) -> None:
        self.width, self.height, self.braille = width, height, braille
        self.dots = (2 * width, 4 * height) if braille else (width, height)
        self.rows: list[Row] = [[(" ", None)] * width for _ in range(height)]

    def copy(self) -> "Canvas":
        copy = Canvas(self.width, self.height, self.braille)
        copy.rows = [list(row) for row in self.rows]
        return copy

    def cell(self, point: Point) -> tuple[int, int]:
        """Column and row of a point of the unit square."""
        column, row = (int((dots - 1) * place + 0.5) for dots, place in zip(self.dots, point, strict=True))
        return (column // 2, self.height - 1 - row // 4) if self.braille else (column, self.height - 1 - row)

    def trace(self, traces: Sequence[tuple[int, Trace]]) -> None:
        """Draw lines, each with its place among all, over what is there: the last on top, and then what stands alone or
        tells a line from the others."""
        signs = [sign(trace.line, index, self.braille) for index, trace in traces]
        strokes = [
            (stroke, trace.line.color, BRAILLE if self.braille else character)
            for (_, trace), character in zip(traces, signs, strict=True)
            for stroke in trace.strokes
        ]
        if strokes:
            self._lay(_plotted(strokes, self.width, self.height))
        for (index, trace), character in zip(traces, signs, strict=True):
            alone = [run[0] for run in trace.runs if len(run) == 1]
            self._stamp(alone, "•" if character == "─" else character, trace.line.color)
            if not trace.line.joined or (self.braille and character != "─"):
                spots = [point for run in trace.runs for point in run]
                self._stamp(spots, character, trace.line.color, index if trace.line.joined else None)

    def _lay(self, rows: list[Row]) -> None:
        for row, new in zip(self.rows, rows, strict=True):
            for column, cell in enumerate(new):
                if cell[1] is not None:
                    row[column] = cell

    def _stamp(self, spots: list[Point], character: str, color: RGB, index: int | None = None) -> None:
        """Set the character at the spots; only here and there if they are many and `index` is given, which shifts it
        against those of other lines."""
        gap, due = 0, 0
        if index is not None and len(spots) > self.width // 4:
            gap = max(self.width // 5, 6)
            due = (3 * index + 2) % gap
        for column, row in (self.cell((x, y)) for x, y in spots if 0 <= x <= 1 and 0 <= y <= 1):
            if column >= due:
                self.rows[row][column] = (character, color)
                due = column + gap if gap else 0

    def mark(self, mark: Mark, place: float | None) -> None:
        """A vertical line where nothing else is, its label beside its top."""
        if place is None or not 0 <= place <= 1:
            return
        column, _ = self.cell((place, 0.0))
        for row in self.rows:
            if row[column][0] == " ":
                row[column] = ("│" if self.braille else ":", mark.color)
        label = "".join(c if cell_len(c) == 1 else "?" for c in plain(mark.label, self.width))
        start = column + 1 if column + 1 + len(label) <= self.width else column - len(label)
        top = self.rows[0][max(start, 0) : start + len(label)]
        if start >= 0 and all(character == " " for character, _ in top):
            self.rows[0][start : start + len(label)] = [(c, mark.color) for c in label]


def _plotted(strokes: list[tuple[Run, RGB, str]], width: int, height: int) -> list[Row]:
    """The strokes on rows of cells."""
    import plotext  # here, since it takes as long as all that is needed to start

    plotext.clear_figure()
    plotext.limitsize(False, False)
    plotext.plotsize(width, height)
    plotext.theme("clear")
    plotext.frame(False)
    plotext.xticks([], [])
    plotext.yticks([], [])
    plotext.xlim(0, 1)
    plotext.ylim(0, 1)
    for stroke, color, marker in strokes:
        plotext.plot([x for x, _ in stroke], [y for _, y in stroke], color=color, marker=marker)
    rows: list[Row] = []
    for line in plotext.build().split("\n")[:height]:
        row: Row = []
        for red, green, blue, characters in _COLORED.findall(line):
            row.extend((character, (int(red), int(green), int(blue)) if red else None) for character in characters)
        rows.append(row)
    plotext.clear_figure()
    return rows


def _curves(lines: Sequence[Line], across: Axis | None, columns: int, extremes: bool) -> list[list[Segment]]:
    return [decimate(line.x, line.y, columns, across.low, across.high, extremes) for line in lines] if across else []


def _traces(
    lines: Sequence[Line],
    curves: Sequence[Sequence[Segment]],
    across: Axis,
    along: Axis,
    canvas: "Canvas",
    extremes: bool,
) -> list[Trace]:
    """The lines, as fine as in `curves` or, where that would take long, coarser."""
    columns = 2 * canvas.width
    while True:
        runs = [_runs(curve, across, along) for curve in curves]
        strokes = [[part for run in own for part in _inside(run)] for own in runs]
        traces = [
            Trace(line, own, parts if line.joined else [])
            for line, own, parts in zip(lines, runs, strokes, strict=True)
        ]
        cost, least = sum(trace.cost(*canvas.dots) for trace in traces), canvas.width // (8 if extremes else 2)
        if columns <= least or cost <= _BUDGET:
            return traces
        while columns > least and cost > _BUDGET:
            # Half as many strokes; means of twice as many values are noisy by a factor of the square root of 2 less.
            columns, cost = columns // 2, cost / (2 if extremes else 2.8)
        curves = _curves(lines, across, columns, extremes)


def _y_axis(curves: list[list[Segment]], across: Axis | None, view: View, percent: bool, most: int) -> Axis | None:
    """The y that are seen: of the points in view, else of those that the lines in view lead to."""
    points = [point for curve in curves for xs, ys in curve for point in zip(xs, ys, strict=True)]
    values = [y for x, y in points if across and across.low <= x <= across.high] or [y for _, y in points]
    if view.robust and len(values) >= 20:
        ordered = sorted(values)
        low, high = ordered[len(ordered) // 20], ordered[-1 - len(ordered) // 20]
        values = [y for y in values if low - 2 * (high - low) <= y <= high + 2 * (high - low)]
    axis = Axis.over(values, view.log_y)
    if axis is None:
        return None
    axis = axis.rounded(2 * most)
    if percent and not view.log_y and 0 <= min(values) <= max(values) <= 1:
        axis = replace(axis, low=max(axis.low, 0.0), high=min(axis.high, 1.0))
    return axis.narrowed(view.y_from, view.y_to)


def _runs(curve: Sequence[Segment], across: Axis, along: Axis) -> list[Run]:
    """The points that have a place, in a unit square that is what is seen, where they follow each other."""
    runs: list[Run] = []
    for xs, ys in curve:
        places = ((across.place(x), along.place(y)) for x, y in zip(xs, ys, strict=True))
        for there, group in groupby(places, key=lambda place: None not in place):
            if there:
                runs.append([(x or 0.0, y or 0.0) for x, y in group])
    return runs


def _inside(run: Run) -> list[Run]:
    """The parts of a line that lie in the unit square."""
    parts: list[Run] = []
    for start, stop in pairwise(run):
        cut = _clip(start, stop)
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


def _beside(canvas: Canvas, ticks: Sequence[tuple[float, str]], left: int, foreground: RGB, grid: RGB) -> list[Row]:
    """The rows of the canvas with the y axis to their left, `left` cells wide."""
    if not left:
        return canvas.rows
    labels = {canvas.cell((0.0, place))[1]: label for place, label in ticks if 0 <= place <= 1}
    plain_axis, tick = ("│", "┤") if canvas.braille else ("|", "+")
    return [
        [
            *((character, foreground) for character in labels.get(index, "").rjust(left - 1)),
            (tick if index in labels else plain_axis, grid),
            *row,
        ]
        for index, row in enumerate(canvas.rows)
    ]


def _under(
    canvas: Canvas, ticks: Sequence[tuple[float, str]], left: int, x_label: str, foreground: RGB, grid: RGB
) -> list[Row]:
    """The x axis, and below it the labels."""
    corner, dash, tick = ("└", "─", "┬") if canvas.braille else ("+", "-", "+")
    axis = [" "] * max(left - 1, 0) + [corner] * (left > 0) + [dash] * canvas.width
    labels = [" "] * (left + canvas.width)
    name = plain(x_label, 20)
    end = len(labels)
    if name and cell_len(name) == len(name) and canvas.width >= len(name) + 20:
        end -= len(name) + 2
        labels[end + 2 :] = name
    free = 0
    for place, label in ticks:
        column = left + canvas.cell((place, 0.0))[0]
        start = max(min(column - len(label) // 2, end - len(label)), 0)
        if free <= start and start + len(label) <= end:
            axis[column] = tick
            labels[start : start + len(label)] = label
            free = start + len(label) + 2
    return [[(character, grid) for character in axis], [(character, foreground) for character in labels]]


def _note(words: str, width: int, height: int, color: RGB) -> list[Row]:
    """A few words in the middle."""
    text = Text(plain(words))
    text.truncate(width, overflow="ellipsis")
    rows: list[Row] = [[] for _ in range(height)]
    rows[(height - 1) // 2] = [(" ", None)] * ((width - text.cell_len) // 2) + [(c, color) for c in text.plain]
    return rows


@lru_cache(maxsize=256)
def _style(color: RGB | None, ground: Style) -> Style:
    return ground + Style(color=Color.from_rgb(*color)) if color else ground


def segments(row: Row, ground: Style = NULL_STYLE) -> list[Piece]:
    """The cells of a row, on the style of what they stand on."""
    return [
        Piece("".join(character for character, _ in cells), _style(color, ground))
        for color, cells in groupby(row, key=itemgetter(1))
    ]
