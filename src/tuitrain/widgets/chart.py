"""Curves over steps, epochs or time, to look at closely with the keyboard."""

import os
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from rich.text import Text
from textual.app import App
from textual.color import Color, ColorParseError
from textual.reactive import reactive
from textual.widget import Widget

from tuitrain.analysis import units
from tuitrain.text import plain
from tuitrain.widgets.plot import ALL, GREY, RGB, Axis, Line, Mark, View, draw, shown, sign, x_axis

SMOOTHING = (0.0, 0.3, 0.6, 0.8, 0.9, 0.95, 0.99)
_CLOSEST = 10_000


def utf8_locale(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the user's terminal is said to show more than ASCII."""
    language = environment.get("LANG", "")
    chosen = environment.get("LC_ALL") or environment.get("LC_CTYPE") or language
    # Where nothing or "C" was chosen, Python itself sets LC_CTYPE so (PEP 538).
    coerced = chosen == "C.UTF-8" and not environment.get("LC_ALL") and language in ("", "C", "POSIX")
    return not coerced and "utf" in chosen.lower()


def theme_color(source: App[object] | Widget, name: str, fallback: RGB = GREY) -> RGB:
    """A colour variable of the theme in use, as it looks on the background."""
    app = source if isinstance(source, App) else source.app
    variables = app.theme_variables
    try:
        color = Color.parse(variables[name])
        if color.a < 1:
            color = Color.parse(variables["background"]).blend(color, color.a, 1.0)
    except (KeyError, ColorParseError):
        return fallback
    return color.rgb


class Chart(Widget):
    """Draws anew only when what it was given, its size, its theme, `view` or `cursor` has changed."""

    DEFAULT_CSS = """
    Chart {
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
        x_format: Callable[[float | None], str] = units.number,
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
        self.x_label, self.x_format = x_label, x_format
        self.y_format = y_format or (units.percent if percent else units.number)
        self.percent, self.home, self.empty = percent, home, empty
        self.braille = utf8_locale() if braille is None else braille
        self.lines: Sequence[Line] = ()
        self.marks: Sequence[Mark] = ()
        self._given: object = None
        self._drawn: tuple[object, Text] | None = None
        self.set_reactive(Chart.view, home)
        self._say_view()

    def update(self, lines: Sequence[Line], marks: Sequence[Mark] = ()) -> None:
        """Show these; what the lines hold may grow afterwards, and is looked at again with the next call."""
        given = [(line.name, line.color, line.marker, line.joined, _digest(line.x), _digest(line.y)) for line in lines]
        self.lines, self.marks = tuple(lines), tuple(marks)
        if self._given != (given, self.marks):
            self._given = (given, self.marks)
            self._drawn = None
            self.refresh()

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
        words += ["zoom"] if (view.x_from, view.x_to) != (self.home.x_from, self.home.x_to) else []
        self.border_subtitle = Text(" · ".join(filter(None, words)))

    def render(self) -> Text:
        look = theme_color(self, "foreground-muted"), theme_color(self, "foreground-disabled")
        key = (self.size, self.view, self.cursor, look)
        if self._drawn is None or self._drawn[0] != key:
            self._drawn = (key, self._draw(*look))
        return self._drawn[1]

    def _draw(self, foreground: RGB, grid: RGB) -> Text:
        width, height = self.size
        head = height >= 5 and len(self.lines) > 0
        marks = list(self.marks)
        if self.cursor is not None:
            marks.append(Mark(self.cursor, "", foreground))
        text = draw(
            self.lines,
            width,
            height - head,
            self.view,
            marks=marks,
            percent=self.percent,
            braille=self.braille,
            foreground=foreground,
            grid=grid,
            empty=self.empty,
        )
        return Text("\n", no_wrap=True, end="").join([self._head(width), text]) if head else text

    def _head(self, width: int) -> Text:
        """The legend, at the right; where there is a cursor with the values there, at the left."""
        if self.cursor is None:
            legend = self._entries(width, [""] * len(self.lines))
            legend.pad_left(max(width - legend.cell_len - 1, 0))
            return legend
        start = Text(f"{plain(self.x_label)} {self.x_format(self.cursor)}  ")
        values = [f" {self.y_format(self._value(line, self.cursor))}" for line in self.lines]
        head = start + self._entries(width - start.cell_len, values)
        head.truncate(width)
        return head

    def _entries(self, width: int, values: list[str]) -> Text:
        """As many lines as fit, each with its sign, name and value; and how many more there are."""
        room = max(width // max(len(self.lines), 1) - 5 - max(map(cell_len, values), default=0), 6)
        text = Text(no_wrap=True, end="")
        for index, (line, value) in enumerate(zip(self.lines, values, strict=True)):
            name = plain(line.name)
            name = name if cell_len(name) <= room else set_cell_size(name, room - 1).rstrip() + "…"
            key = sign(line, index, self.braille)
            entry = Text(f"{key * 2 if key == '─' else key} {name}", Style(color="rgb({},{},{})".format(*line.color)))
            entry = Text.assemble("  " if index else "", entry, value)
            more = f"  +{len(self.lines) - index}"
            rest = len(more) + 1 if index + 1 < len(self.lines) else 0
            if index and text.cell_len + entry.cell_len + rest > width:
                return text.append(more)
            text.append_text(entry)
        text.truncate(max(width, 0), overflow="ellipsis")
        return text

    def _value(self, line: Line, x: float) -> float | None:
        """What the line shows at x: its last value until then; None before it begins and after its end."""
        size = min(len(line.x), len(line.y))
        index = bisect_right(line.x, x, 0, size) - 1
        if index < 0 or (index == size - 1 and x > line.x[index] and len(self.lines) > 1 and self._over(line, x)):
            return None
        return shown(line, self.view)[index]


def _digest(values: Sequence[float]) -> int:
    return hash((values if isinstance(values, array) else array("d", values)).tobytes())


def _next_x(line: Line, target: float, right: bool) -> float | None:
    """The line's first x from `target` on, or its last x up to there."""
    size = min(len(line.x), len(line.y))
    index = bisect_left(line.x, target, 0, size) if right else bisect_right(line.x, target, 0, size) - 1
    return line.x[index] if 0 <= index < size else None
