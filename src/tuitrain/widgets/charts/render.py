"""Render curves as text: decimate, scale, draw, label the axes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby, pairwise
from math import isfinite
from operator import itemgetter

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
from tuitrain.widgets.charts.raster import Run, clip_to_square
from tuitrain.widgets.terminal.colors import GREY, RGB


@dataclass(frozen=True)
class View:
    """The visible part of a chart; None means the limits of the data. `robust` excludes outliers from the y limits.
    `extremes` draws the extremes of points that share a column, not the mean."""

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
    """Return the visible x range; None without data."""
    sizes = [(line, min(len(line.x), len(line.y))) for line in lines]
    axis = Axis.over(x for line, size in sizes if size for x in (line.x[0], line.x[size - 1]))
    return axis and axis.narrowed(view.x_from, view.x_to)


def draw(
    lines: Sequence[Line],
    width: int,
    height: int,
    view: View = ALL,
    *,
    marks: Sequence[Mark] = (),
    percent: bool = False,
    braille: bool = True,
    foreground: RGB = GREY,
    grid: RGB = GREY,
    empty: str = "no data yet",
) -> Text:
    """Draw a chart with exactly `height` rows of at most `width` cells; NaN and infinity leave gaps.

    `percent` labels y fractions in percent. Without `braille` the output is ASCII. `foreground` colors the labels
    and `grid` the axes. `empty` is the text without data.
    """
    drawn = picture(lines, width, height, view, percent=percent, braille=braille)
    rows = drawn.rows(marks, foreground=foreground, grid=grid, empty=empty)
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
    whole: bool = False,
    braille: bool = True,
) -> "Picture":
    """Draw the curves without marks, which is the slow part of `draw`; keep the result while only marks move.

    `top` are the indices of the lines drawn last. `seconds` labels x as times, `whole` only whole numbers.
    """
    across = x_axis(lines, view)
    if width < 1 or height < 1 or across is None:
        return Picture(width, height)
    bottom = 2 if height >= 7 else 1 if height >= 4 else 0
    max_ticks = min(max((height - bottom) // 3, 2), 8)
    if view.smooth:
        lines = [replace(line, y=smooth(line.y, view.smooth**line.every)) for line in lines]
    curves = [decimate(line.x, line.y, 2 * width, across.low, across.high, view.extremes) for line in lines]
    visible = _visible_y(curves, across)
    kept = _without_outliers(visible) if view.robust else visible
    along = _y_axis(kept, view, percent, max_ticks)
    if along is None:
        return Picture(width, height)
    y_ticks = along.ticks(max_ticks, percent)
    left = 1 + max((len(label) for _, label in y_ticks), default=0)
    left = left if width >= left + 10 else 0
    canvas = Canvas(width - left, height - bottom, braille)
    traces = [_trace(line, curve, across, along) for line, curve in zip(lines, curves, strict=True)]
    canvas.trace(sorted(enumerate(traces), key=lambda trace: trace[0] in top))
    whole = whole or all(isinstance(line.x[0], int) for line in lines if len(line.x))
    x_ticks = across.ticks(max(canvas.width // 10, 1), whole=whole, seconds=seconds)
    return Picture(width, height, canvas, traces, across, left, bottom, x_ticks, y_ticks, len(kept) < len(visible))


@dataclass(frozen=True)
class Picture:
    """Drawn curves without marks and labels. `canvas` is None without data; `cut` says that outliers are outside."""

    width: int
    height: int
    canvas: Canvas | None = None
    traces: Sequence[Trace] = ()
    across: Axis = UNIT
    left: int = 0
    bottom: int = 0
    x_ticks: Sequence[tuple[float, str]] = ()
    y_ticks: Sequence[tuple[float, str]] = ()
    cut: bool = False

    def end(self, index: int) -> float:
        """Return the height at which a line ends, from 0 at the bottom to 1; 0 if nothing of it is visible."""
        points = (point for run in reversed(self.traces[index].runs) for point in reversed(run))
        return next((y for x, y in points if 0 <= x <= 1 and 0 <= y <= 1), 0.0)

    def with_top(self, top: Sequence[int]) -> "Picture":
        if self.canvas is None:
            return self
        canvas = self.canvas.copy()
        canvas.trace([(index, self.traces[index]) for index in top])
        return replace(self, canvas=canvas)

    def rows(self, marks: Sequence[Mark], *, foreground: RGB, grid: RGB, empty: str) -> list[Row]:
        if self.width < 1 or self.height < 1:
            return []
        if self.canvas is None:
            return _centered(empty, self.width, self.height, foreground)
        canvas = self.canvas.copy()
        for mark in marks:
            canvas.draw_mark(mark, self.across.place(mark.x))
        rows = _add_y_axis(canvas, self.y_ticks, self.left, foreground, grid)
        return rows + _x_axis_rows(canvas, self.x_ticks, self.left, foreground, grid)[2 - self.bottom :]


def _trace(line: Line, curve: Sequence[Segment], across: Axis, along: Axis) -> Trace:
    runs = _runs(curve, across, along)
    strokes = [_steps(run) for run in runs] if line.stepped else runs
    return Trace(line, runs, [part for run in strokes for part in clip_to_square(run)] if line.joined else [])


def _steps(run: Run) -> Run:
    """Add a corner before each point but the first."""
    corners = [[(x, before), (x, y)] for (_, before), (x, y) in pairwise(run)]
    return [*run[:1], *(point for corner in corners for point in corner)]


def _visible_y(curves: list[list[Segment]], across: Axis) -> list[float]:
    """Return the y of the visible points, or of all points if none is visible."""
    points = [(x, y) for curve in curves for xs, ys in curve for x, y in zip(xs, ys, strict=True) if isfinite(y)]
    return [y for x, y in points if across.low <= x <= across.high] or [y for _, y in points]


def _without_outliers(values: list[float]) -> list[float]:
    """Drop values far from the middle 90 %, if this at least halves the range."""
    ordered = sorted(values)
    tail = len(ordered) // 20
    if not tail or ordered[tail] == ordered[-1 - tail]:
        return values
    low, high = ordered[tail], ordered[-1 - tail]
    margin = (high - low) / 2
    kept = [y for y in values if low - margin <= y <= high + margin]
    return kept if 2 * (max(kept) - min(kept)) < ordered[-1] - ordered[0] else values


def _y_axis(values: list[float], view: View, percent: bool, max_ticks: int) -> Axis | None:
    if not values:
        return None
    # The limits of the view count for the round numbers at the other end.
    axis = Axis.over([*values, *(end for end in (view.y_from, view.y_to) if end is not None)], view.log_y)
    if axis is None:
        return None
    axis = axis.rounded(2 * max_ticks)
    if percent and not view.log_y and 0 <= min(values) <= max(values) <= 1:
        axis = replace(axis, low=max(axis.low, 0.0), high=min(axis.high, 1.0))
    return axis.narrowed(view.y_from, view.y_to)


def _runs(curve: Sequence[Segment], across: Axis, along: Axis) -> list[Run]:
    """Scale the points to the visible unit square, and split the curve where points cannot be shown."""
    runs: list[Run] = []
    for xs, ys in curve:
        points = ((across.place(x), along.place(y)) for x, y in zip(xs, ys, strict=True))
        for valid, group in groupby(points, key=lambda point: None not in point):
            if valid:
                runs.append([(x or 0.0, y or 0.0) for x, y in group])
    return runs


def _add_y_axis(canvas: Canvas, ticks: Sequence[tuple[float, str]], left: int, foreground: RGB, grid: RGB) -> list[Row]:
    if not left:
        return canvas.rows
    labels = {canvas.cell((0.0, position))[1]: label for position, label in ticks if 0 <= position <= 1}
    plain_axis, tick = ("│", "┤") if canvas.braille else ("|", "+")
    return [
        [
            *((character, foreground) for character in labels.get(index, "").rjust(left - 1)),
            (tick if index in labels else plain_axis, grid),
            *row,
        ]
        for index, row in enumerate(canvas.rows)
    ]


def _x_axis_rows(
    canvas: Canvas, ticks: Sequence[tuple[float, str]], left: int, foreground: RGB, grid: RGB
) -> list[Row]:
    corner, dash, tick = ("└", "─", "┬") if canvas.braille else ("+", "-", "+")
    axis = [" "] * max(left - 1, 0) + [corner] * (left > 0) + [dash] * canvas.width
    end = left + canvas.width
    labels = [" "] * end
    free = 0
    for position, label in ticks:
        column = left + canvas.cell((position, 0.0))[0]
        start = max(min(column - len(label) // 2, end - len(label)), 0)
        if free <= start and start + len(label) <= end:
            axis[column] = tick
            labels[start : start + len(label)] = label
            free = start + len(label) + 2
    return [[(character, grid) for character in axis], [(character, foreground) for character in labels]]


def _centered(message: str, width: int, height: int, color: RGB) -> list[Row]:
    text = Text(plain(message))
    text.truncate(width, overflow="ellipsis")
    rows: list[Row] = [[] for _ in range(height)]
    rows[(height - 1) // 2] = [(" ", None)] * ((width - text.cell_len) // 2) + [(c, color) for c in text.plain]
    return rows


@lru_cache(maxsize=256)
def _style(color: RGB | None, background: Style) -> Style:
    return background + Style(color=Color.from_rgb(*color)) if color else background


def segments(row: Row, background: Style = NULL_STYLE) -> list[Piece]:
    """Join the cells of a row into segments on a background style."""
    return [
        Piece("".join(character for character, _ in cells), _style(color, background))
        for color, cells in groupby(row, key=itemgetter(1))
    ]
