"""A chart of curves over steps, epochs or time."""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.geometry import Region
from textual.reactive import reactive
from textual.strip import Strip

from tuitrain.analysis import units
from tuitrain.analysis.decimate import block_size
from tuitrain.analysis.smooth import smooth
from tuitrain.text import plain, utf8_locale
from tuitrain.widgets.charts.end_labels import EndLabels, end_labels
from tuitrain.widgets.charts.legend import Entry, legend, readings
from tuitrain.widgets.charts.line import Line, Mark, sign
from tuitrain.widgets.charts.reduction import LineReducer, smoothing_window
from tuitrain.widgets.charts.render import ALL, Picture, View, picture, segments, x_axis
from tuitrain.widgets.charts.viewport import Viewport
from tuitrain.widgets.terminal.colors import RGB, theme_color

# Rows from which a chart has room for a second row of legend.
TALL = 10
# Rows of the x axis.
AXIS_ROWS = 2


class Chart(Viewport):
    """A chart of lines and marks with a legend, redrawn only if its data, size, theme, `view` or `cursor` changed."""

    DEFAULT_CSS = """
    Chart {
        width: 1fr;
        height: 1fr;
        border: round $foreground 25%;
        border-title-color: $foreground;
        border-subtitle-color: $foreground 60%;
    }
    """

    # What an empty chart says.
    empty: reactive[str] = reactive("no data yet")

    def __init__(
        self,
        title: str = "",
        *,
        x_label: str = "step",
        x_format: Callable[[float], str] = units.count,
        y_format: Callable[[float | None], str] | None = None,
        percent: bool = False,
        home: View = ALL,
        braille: bool | None = None,
        label_ends: bool = False,
    ) -> None:
        """Format y as `percent` if they are fractions. `home` is the initial view. `braille` None follows the locale.
        `label_ends` labels the lines at their ends instead of in a legend if there is room."""
        super().__init__()
        self.home, self.label_ends = home, label_ends
        self.braille = utf8_locale() if braille is None else braille
        self.lines: Sequence[Line] = ()
        self.marks: Sequence[Mark] = ()
        self.top: Sequence[int] = ()
        self.reducer = LineReducer()
        self._lines_key: object = None
        self._strips: tuple[object, list[Strip]] | None = None
        self._picture: tuple[object, Sequence[int], Picture] | None = None
        self._outliers_cut = False
        self.set_reactive(Chart.view, home)
        self.set_labels(title, x_label, x_format, y_format or (units.percent if percent else units.number), percent)

    def update(self, lines: Sequence[Line], marks: Sequence[Mark] = (), top: Sequence[int] = ()) -> None:
        """Show `lines`, those with the indices `top` above the others. Lines may grow; call this again to show it."""
        key = [
            (line.name, line.color, line.marker, line.joined, line.stepped, line.every,
             line.cache_key or (_digest(line.x), _digest(line.y)))
            for line in lines
        ]  # fmt: skip
        if self._lines_key != key:
            self._picture = None
        if (self._lines_key, self.marks, self.top) != (key, tuple(marks), tuple(top)):
            self._strips = None
            self.refresh()
        self._lines_key = key
        self.lines, self.marks, self.top = tuple(lines), tuple(marks), tuple(top)

    def set_labels(
        self,
        title: str,
        x_label: str,
        x_format: Callable[[float], str],
        y_format: Callable[[float | None], str],
        percent: bool,
    ) -> None:
        """Change title and axes; the next `update` draws them."""
        self.title = plain(title)
        self.border_title = Text(self.title)
        self.x_label, self.x_format, self.y_format, self.percent = x_label, x_format, y_format, percent
        self._strips = self._picture = None
        self.update_subtitle()

    def values(self) -> list[float | None]:
        return [None if self.cursor is None else self._value(line, self.cursor) for line in self.lines]

    def watch_view(self) -> None:
        self.update_subtitle()

    def update_subtitle(self) -> None:
        view = self.view
        parts = [plain(self.x_label), "log" if view.log_y else "linear"]
        parts += [f"smooth {view.smooth:g}"] if view.smooth else []
        parts += ["min-max"] if view.extremes else []
        parts += ["outliers cut (O)"] if self._outliers_cut else []
        parts += ["zoom"] if (view.x_from, view.x_to) != (self.home.x_from, self.home.x_to) else []
        self.border_subtitle = Text(" · ".join(filter(None, parts)))

    def render_lines(self, crop: Region) -> list[Strip]:
        colors = [theme_color(self, name) for name in ("foreground-muted", "foreground-disabled", "foreground")]
        background = self.rich_style
        key = (self.size, self.view, self.cursor, self.empty, colors, background)
        if self._strips is None or self._strips[0] != key:
            self._strips = (key, self._draw(background, *colors))
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        strips = self._strips[1] if self._strips else []
        return strips[y] if y < len(strips) else Strip.blank(self.size.width, self.rich_style)

    def _draw(self, background: Style, foreground: RGB, grid: RGB, cursor: RGB) -> list[Strip]:
        width, height = self.size
        marks = [*self.marks, *([] if self.cursor is None else [Mark(self.cursor, "", cursor)])]
        labels = self._end_labels(width, height)
        head = self._head(width, 2 if height >= TALL else 1) if height >= 5 and self.lines and not labels else []
        picture = self._current_picture(width - (labels.width if labels else 0), height - len(head))
        rows = picture.rows(marks, foreground=foreground, grid=grid, empty=self.empty)
        if labels:
            labels.add_to(rows, picture)
        drawn = [segments(row, background) for row in rows]
        drawn[:0] = [[*Segment.apply_style(row.render(self.app.console), background)] for row in head]
        return [Strip(row).adjust_cell_length(width, background) for row in drawn]

    def _end_labels(self, width: int, height: int) -> EndLabels | None:
        """Return labels at the ends of the lines, unless the legend has to show their values at the cursor."""
        if not self.label_ends or self.cursor is not None:
            return None
        return end_labels(self.lines, width, height - AXIS_ROWS, braille=self.braille)

    def _current_picture(self, width: int, height: int) -> Picture:
        """Draw the curves, or return the cached picture if only marks, cursor or the top line changed."""
        key = (width, height, self.view)
        if self._picture is None or self._picture[0] != key:
            drawn = self._draw_picture(width, height)
            self._picture = (key, self.top, drawn)
            if drawn.cut != self._outliers_cut:
                self._outliers_cut = drawn.cut
                self.call_later(self.update_subtitle)
        elif self._picture[1] != self.top:
            self._picture = (key, self.top, self._picture[2].with_top(self.top))
        return self._picture[2]

    def _draw_picture(self, width: int, height: int) -> Picture:
        view, lines = self.view, self.lines
        if any(line.cache_key and block_size(len(line.y)) > 1 for line in lines) and (axis := x_axis(lines, view)):
            view = replace(view, x_from=axis.low, x_to=axis.high)
            lines = [self.reducer.reduce_line(line, axis, view) if line.cache_key else line for line in lines]
        return picture(
            lines,
            width,
            height,
            view,
            top=self.top,
            percent=self.percent,
            seconds=self.x_format is units.duration,
            whole=self.x_label == "epoch",
            braille=self.braille,
        )

    def _head(self, width: int, max_rows: int) -> list[Text]:
        """Return the legend, aligned to the right, or with a cursor the values there."""
        rows = legend([self._entry(line, index) for index, line in self._named_lines], width - 1, max_rows)
        if self.cursor is None:
            left = max(width - max(row.cell_len for row in rows) - 1, 0)
            for row in rows:
                row.pad_left(left)
            return rows
        start = Text(f"{plain(self.x_label)} {self.x_format(self.cursor)}")
        values = [
            self._entry(line, index, f" {self.y_format(self._value(line, self.cursor))}")
            for index, line in self._named_lines
        ]
        return readings(values, start, width, len(rows))

    @property
    def _named_lines(self) -> list[tuple[int, Line]]:
        return [(index, line) for index, line in enumerate(self.lines) if line.name]

    def _entry(self, line: Line, index: int, value: str = "") -> Entry:
        key = sign(line, index, self.braille)
        color = Style(color="rgb({},{},{})".format(*line.color))
        return Entry(key * 2 if key == "─" else key, plain(line.name), color, index in self.top, value)

    def _value(self, line: Line, x: float) -> float | None:
        """Return the line's last value up to x; None before its start and well after its end."""
        size = min(len(line.x), len(line.y))
        index = bisect_right(line.x, x, 0, size) - 1
        ended = 0 < index == size - 1 and x - line.x[index] > line.x[index] - line.x[index - 1]
        if index < 0 or ended:
            return None
        if not self.view.smooth:
            return line.y[index]
        weight = self.view.smooth**line.every
        start = max(0, index - smoothing_window(weight))
        return smooth(line.y[start : index + 1], weight)[-1]


def _digest(values: Sequence[float]) -> int:
    return hash((values if isinstance(values, array) else array("d", values)).tobytes())
