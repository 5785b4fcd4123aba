"""Curves over steps, epochs or time, to look at closely with the keyboard."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil, log
from typing import TypeVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.geometry import Region
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from tuitrain.analysis import units
from tuitrain.analysis.decimate import MAX_POINTS, ReducedCurve, block_size, reduce
from tuitrain.analysis.smooth import smooth
from tuitrain.text import plain, utf8_locale
from tuitrain.widgets.charts.axis import Axis
from tuitrain.widgets.charts.legend import Entry, legend, readings
from tuitrain.widgets.charts.line import Line, Mark, sign
from tuitrain.widgets.charts.render import ALL, Picture, View, picture, segments, x_axis
from tuitrain.widgets.terminal.colors import RGB, theme_color

SMOOTHING = (0.0, 0.3, 0.6, 0.8, 0.9, 0.95, 0.99)
# Rows of a chart that has room for a second row of the legend.
TALL = 10
_CLOSEST = 10_000
_CACHED = 128
# The part of a smoothed value that may come from what lies too far back to be looked at.
_FORGOTTEN = 1e-6
T = TypeVar("T")


class Chart(Widget):
    """Draws anew only when what it was given, its size, its theme, `view` or `cursor` has changed."""

    DEFAULT_CSS = """
    Chart {
        width: 1fr;
        height: 1fr;
        border: round $foreground 25%;
        border-title-color: $foreground;
        border-subtitle-color: $foreground 60%;
    }
    """

    view: reactive[View] = reactive(ALL, init=False)
    cursor: reactive[float | None] = reactive(None, init=False)
    """The x at which the curves are read; None: no cursor."""

    def __init__(
        self,
        title: str = "",
        *,
        x_label: str = "step",
        x_format: Callable[[float], str] | None = None,
        y_format: Callable[[float | None], str] | None = None,
        percent: bool = False,
        home: View = ALL,
        empty: str = "no data yet",
        braille: bool | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """`percent`: y are fractions; `home`: what `reset` returns to; `braille` None: as the locale says."""
        super().__init__(id=id, classes=classes)
        self.border_title = Text(plain(title))
        self.x_label, self.x_format = x_label, x_format or _position
        self.y_format = y_format or (units.percent if percent else units.number)
        self.percent, self.home, self.empty = percent, home, empty
        self.braille = utf8_locale() if braille is None else braille
        self.lines: Sequence[Line] = ()
        self.marks: Sequence[Mark] = ()
        self.top: Sequence[int] = ()
        self._given: object = None
        self._drawn: tuple[object, list[Strip]] | None = None
        self._pictured: tuple[object, Sequence[int], Picture] | None = None
        self._cut = False
        self.thinned: dict[object, ReducedCurve] = {}
        self.middles: dict[object, Sequence[float]] = {}
        self.set_reactive(Chart.view, home)
        self._say_view()

    def update(self, lines: Sequence[Line], marks: Sequence[Mark] = (), top: Sequence[int] = ()) -> None:
        """Show these, the ones at the places in `top` above the others; what the lines hold may grow afterwards, and is
        looked at again with the next call."""
        given = [
            (
                line.name,
                line.color,
                line.marker,
                line.joined,
                line.every,
                line.cache_key or (_digest(line.x), _digest(line.y)),
            )
            for line in lines
        ]
        if self._given != given:
            self._pictured = None
        if (self._given, self.marks, self.top) != (given, tuple(marks), tuple(top)):
            self._drawn = None
            self.refresh()
        self._given = given
        self.lines, self.marks, self.top = tuple(lines), tuple(marks), tuple(top)

    def label(
        self,
        title: str,
        x_label: str,
        x_format: Callable[[float], str],
        y_format: Callable[[float | None], str],
        percent: bool,
    ) -> None:
        """Show something else from the next `update` on."""
        self.border_title = Text(plain(title))
        self.x_label, self.x_format, self.y_format, self.percent = x_label, x_format, y_format, percent
        self._drawn = self._pictured = None
        self._say_view()

    def values(self) -> list[float | None]:
        """What each line shows at the cursor; None: nothing there."""
        return [None if self.cursor is None else self._value(line, self.cursor) for line in self.lines]

    def toggle_extremes(self) -> None:
        """Between the means of what shares a column and its lowest and highest."""
        self.view = replace(self.view, extremes=not self.view.extremes)

    def toggle_robust(self) -> None:
        """Between all y and those not far from most others."""
        self.view = replace(self.view, robust=not self.view.robust)

    def toggle_log(self) -> None:
        self.view = replace(self.view, log_y=not self.view.log_y)

    def smoother(self, steps: int = 1) -> None:
        """So many levels of SMOOTHING more, or less."""
        level = bisect_right(SMOOTHING, self.view.smooth) - 1
        self.view = replace(self.view, smooth=SMOOTHING[min(max(level + steps, 0), len(SMOOTHING) - 1)])

    def zoom(self, factor: float) -> None:
        """Closer by a factor above 1, farther by one below, around the cursor if there is one."""
        whole, seen = x_axis(self.lines, self.home), x_axis(self.lines, self.view)
        if whole is None or seen is None or factor <= 0:
            return
        width = max((seen.high - seen.low) / factor, (whole.high - whole.low) / _CLOSEST)
        centre = (seen.low + seen.high) / 2 if self.cursor is None else self.cursor
        self._look(whole, centre - width / 2, width)

    def pan(self, fraction: float) -> None:
        """To the right by a part of what is seen, or to the left; not beyond the data."""
        whole, seen = x_axis(self.lines, self.home), x_axis(self.lines, self.view)
        if whole is not None and seen is not None:
            width = seen.high - seen.low
            self._look(whole, seen.low + fraction * width, width)

    def _look(self, whole: Axis, start: float, width: float) -> None:
        if width >= whole.high - whole.low:
            self.view = replace(self.view, x_from=self.home.x_from, x_to=self.home.x_to)
        else:
            start = min(max(start, whole.low), whole.high - width)
            self.view = replace(self.view, x_from=start, x_to=start + width)

    def reset(self) -> None:
        self.view = self.home
        self.cursor = None

    def move_cursor(self, columns: int) -> None:
        """To the next value that is about so many columns farther right, or left; at first to the last value seen."""
        seen = x_axis(self.lines, self.view)
        if seen is None:
            return
        column = (seen.high - seen.low) / max(self.size.width - 6, 1)
        target = seen.high if self.cursor is None else self.cursor + columns * column
        target = min(max(target, seen.low), seen.high)
        right = self.cursor is not None and columns > 0
        found = [x for line in self.lines if (x := _next_x(line, target, right)) is not None]
        found = [x for x in found if seen.low <= x <= seen.high]
        if found:
            self.cursor = min(found) if right else max(found)

    def watch_view(self) -> None:
        self._say_view()

    def _say_view(self) -> None:
        view = self.view
        words = [plain(self.x_label), "log" if view.log_y else "linear"]
        words += [f"smooth {view.smooth:g}"] if view.smooth else []
        words += ["min-max"] if view.extremes else []
        words += ["outliers cut (O)"] if self._cut else []
        words += ["zoom"] if (view.x_from, view.x_to) != (self.home.x_from, self.home.x_to) else []
        self.border_subtitle = Text(" · ".join(filter(None, words)))

    def render_lines(self, crop: Region) -> list[Strip]:
        colors = [theme_color(self, name) for name in ("foreground-muted", "foreground-disabled", "foreground")]
        ground = self.rich_style
        key = (self.size, self.view, self.cursor, colors, ground)
        if self._drawn is None or self._drawn[0] != key:
            self._drawn = (key, self._draw(ground, *colors))
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        strips = self._drawn[1] if self._drawn else []
        return strips[y] if y < len(strips) else Strip.blank(self.size.width, self.rich_style)

    def _draw(self, ground: Style, foreground: RGB, grid: RGB, cursor: RGB) -> list[Strip]:
        width, height = self.size
        marks = [*self.marks, *([] if self.cursor is None else [Mark(self.cursor, "", cursor)])]
        head = self._head(width, 2 if height >= TALL else 1) if height >= 5 and self.lines else []
        rows = self._picture(width, height - len(head)).rows(
            marks, x_label="", foreground=foreground, grid=grid, empty=self.empty
        )
        drawn = [segments(row, ground) for row in rows]
        drawn[:0] = [[*Segment.apply_style(row.render(self.app.console), ground)] for row in head]
        return [Strip(row).adjust_cell_length(width, ground) for row in drawn]

    def _picture(self, width: int, height: int) -> Picture:
        key = (width, height, self.view)
        if self._pictured is None or self._pictured[0] != key:
            view, lines = self.view, self.lines
            if any(line.cache_key and block_size(len(line.y)) > 1 for line in lines) and (axis := x_axis(lines, view)):
                view = replace(view, x_from=axis.low, x_to=axis.high)
                lines = [self._thin(line, axis) if line.cache_key else line for line in lines]
            drawn = picture(
                lines,
                width,
                height,
                view,
                top=self.top,
                percent=self.percent,
                seconds=self.x_format is units.duration,
                braille=self.braille,
            )
            self._pictured = (key, self.top, drawn)
            if drawn.cut != self._cut:
                self._cut = drawn.cut
                self.call_later(self._say_view)
        elif self._pictured[1] != self.top:
            self._pictured = (key, self.top, self._pictured[2].over(self.top))
        return self._pictured[2]

    def _thin(self, line: Line, axis: Axis) -> Line:
        """What there is to draw of a long line: few points of it all, or all of the few that are in view."""
        size = min(len(line.x), len(line.y))
        every = block_size(size)
        if every == 1:
            return line
        start, stop = bisect_left(line.x, axis.low, 0, size), bisect_right(line.x, axis.high, 0, size)
        if stop - start <= 2 * MAX_POINTS:
            start, stop = max(0, start - 1 - _memory(self.view.smooth)), min(size, stop + 1)
            return replace(line, x=line.x[start:stop], y=line.y[start:stop])
        thinned = self.thin(line, self.view.extremes)
        key = (line.cache_key, self.view.extremes)
        x = _kept(self.middles, key, lambda: thinned.x(line.x))
        return replace(line, x=x, y=thinned.y, every=max(1, size // max(1, len(thinned.y))))

    def reduce(self, line: Line, extremes: bool) -> ReducedCurve:
        """The line's y, thinned out once as long as they do not change."""
        key = (line.cache_key and line.cache_key[1], extremes)
        return _kept(self.thinned, key, lambda: reduce(line.y, block_size(len(line.y)), extremes))

    def _head(self, width: int, most: int) -> list[Text]:
        """The legend, at the right; where there is a cursor in as many rows the values there, at the left."""
        rows = legend([self._entry(line, index) for index, line in self._named], width - 1, most)
        if self.cursor is None:
            left = max(width - max(row.cell_len for row in rows) - 1, 0)
            for row in rows:
                row.pad_left(left)
            return rows
        start = Text(f"{plain(self.x_label)} {self.x_format(self.cursor)}")
        values = [
            self._entry(line, index, f" {self.y_format(self._value(line, self.cursor))}") for index, line in self._named
        ]
        return readings(values, start, width, len(rows))

    @property
    def _named(self) -> list[tuple[int, Line]]:
        return [(index, line) for index, line in enumerate(self.lines) if line.name]

    def _entry(self, line: Line, index: int, value: str = "") -> Entry:
        key = sign(line, index, self.braille)
        color = Style(color="rgb({},{},{})".format(*line.color))
        return Entry(key * 2 if key == "─" else key, plain(line.name), color, index in self.top, value)

    def _value(self, line: Line, x: float) -> float | None:
        """What the line shows at x: its last value until then; None before it begins and well after it ends."""
        size = min(len(line.x), len(line.y))
        index = bisect_right(line.x, x, 0, size) - 1
        ended = 0 < index == size - 1 and x - line.x[index] > line.x[index] - line.x[index - 1]
        if index < 0 or ended:
            return None
        if not self.view.smooth:
            return line.y[index]
        start = max(0, index - _memory(self.view.smooth**line.every))
        return smooth(line.y[start : index + 1], self.view.smooth**line.every)[-1]


def _kept(cache: dict[object, T], key: object, make: Callable[[], T]) -> T:
    """What was made for the key. The last used stand last, and those that are not used any more first."""
    value = cache.pop(key, None)
    cache[key] = value = make() if value is None else value
    while len(cache) > _CACHED:
        del cache[next(iter(cache))]
    return value


def _memory(weight: float) -> int:
    """How many values back a moving average still depends on."""
    return ceil(log(_FORGOTTEN) / log(weight)) if weight else 0


def _digest(values: Sequence[float]) -> int:
    return hash((values if isinstance(values, array) else array("d", values)).tobytes())


def _next_x(line: Line, target: float, right: bool) -> float | None:
    """The line's first x from `target` on, or its last x up to there."""
    size = min(len(line.x), len(line.y))
    index = bisect_left(line.x, target, 0, size) if right else bisect_right(line.x, target, 0, size) - 1
    return line.x[index] if 0 <= index < size else None


def _position(x: float) -> str:
    return units.count(x) if x == round(x) else units.number(x)
