"""Curves drawn as text: decimated, scaled, with axes and labels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from math import isfinite
from operator import itemgetter

from rich.cells import cell_len
from rich.color import Color
from rich.segment import Segment as Piece
from rich.style import NULL_STYLE, Style
from rich.text import Text

from tuitrain.analysis.decimate import Segment, decimate
from tuitrain.analysis.smooth import smooth
from tuitrain.text import plain
from tuitrain.widgets.charts.axis import UNIT, Axis
from tuitrain.widgets.charts.canvas import Canvas, Row, Trace
from tuitrain.widgets.charts.line import Line, Mark
from tuitrain.widgets.charts.raster import Run, inside
from tuitrain.widgets.terminal.colors import GREY, RGB


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


def x_axis(lines: Sequence[Line], view: View) -> Axis | None:
    """The x that are seen; None where there is no data."""
    sizes = [(line, min(len(line.x), len(line.y))) for line in lines]
    axis = Axis.over(x for line, size in sizes if size for x in (line.x[0], line.x[size - 1]))
    return axis and axis.narrowed(view.x_from, view.x_to)


def shown(line: Line, view: View) -> Sequence[float]:
    """The y of a line as they are drawn."""
    return smooth(line.y, view.smooth**line.every) if view.smooth > 0 else line.y


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
    seconds: bool = False,
    braille: bool = True,
) -> "Picture":
    """What takes long of `draw`: to be kept while only marks move. `top`: places of lines that lie above the others;
    `seconds`: x are, and are labelled as times."""
    if width < 1 or height < 1:
        return Picture(width, height)
    below = 2 if height >= 7 else 1 if height >= 4 else 0
    most = min(max((height - below) // 3, 2), 8)
    lines = [replace(line, y=shown(line, view)) for line in lines]
    across = x_axis(lines, view)
    curves = _curves(lines, across, 2 * width, view.extremes)
    seen = _seen(curves, across)
    kept = _without_outliers(seen) if view.robust else seen
    along = _y_axis(kept, view, percent, most)
    if across is None or along is None:
        return Picture(width, height)
    y_ticks = along.ticks(most, percent)
    left = 1 + max((len(label) for _, label in y_ticks), default=0)
    left = left if width >= left + 10 else 0
    canvas = Canvas(width - left, height - below, braille)
    traces = [_trace(line, curve, across, along) for line, curve in zip(lines, curves, strict=True)]
    canvas.trace(sorted(enumerate(traces), key=lambda one: one[0] in top))
    whole = all(isinstance(line.x[0], int) for line in lines if len(line.x))
    x_ticks = across.ticks(max(canvas.width // 10, 1), whole=whole, seconds=seconds)
    return Picture(width, height, canvas, traces, across, left, below, x_ticks, y_ticks, len(kept) < len(seen))


@dataclass(frozen=True)
class Picture:
    """Curves as drawn, without marks and labels; without a canvas there was nothing to draw. `cut`: some outliers are
    not seen."""

    width: int
    height: int
    canvas: Canvas | None = None
    traces: Sequence[Trace] = ()
    across: Axis = UNIT
    left: int = 0
    below: int = 0
    x_ticks: Sequence[tuple[float, str]] = ()
    y_ticks: Sequence[tuple[float, str]] = ()
    cut: bool = False

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


def _curves(lines: Sequence[Line], across: Axis | None, columns: int, extremes: bool) -> list[list[Segment]]:
    return [decimate(line.x, line.y, columns, across.low, across.high, extremes) for line in lines] if across else []


def _trace(line: Line, curve: Sequence[Segment], across: Axis, along: Axis) -> Trace:
    runs = _runs(curve, across, along)
    return Trace(line, runs, [part for run in runs for part in inside(run)] if line.joined else [])


def _seen(curves: list[list[Segment]], across: Axis | None) -> list[float]:
    """The y of the points in view, else of those that the lines in view lead to."""
    points = [(x, y) for curve in curves for xs, ys in curve for x, y in zip(xs, ys, strict=True) if isfinite(y)]
    return [y for x, y in points if across and across.low <= x <= across.high] or [y for _, y in points]


def _without_outliers(values: list[float]) -> list[float]:
    """Those that are not far from the middle nine tenths, where these have little room among all of them."""
    ordered = sorted(values)
    part = len(ordered) // 20
    if not part or ordered[part] == ordered[-1 - part]:
        return values
    low, high = ordered[part], ordered[-1 - part]
    room = (high - low) / 2
    kept = [y for y in values if low - room <= y <= high + room]
    return kept if 2 * (max(kept) - min(kept)) < ordered[-1] - ordered[0] else values


def _y_axis(values: list[float], view: View, percent: bool, most: int) -> Axis | None:
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
