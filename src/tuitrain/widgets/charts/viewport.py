"""The visible part of a chart and its cursor: zoom, pan, smoothing, scales."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from textual.reactive import reactive
from textual.widget import Widget

from tuitrain.widgets.charts.axis import Axis
from tuitrain.widgets.charts.line import Line
from tuitrain.widgets.charts.render import ALL, View, x_axis

SMOOTHING = (0.0, 0.3, 0.6, 0.8, 0.9, 0.95, 0.99)
_MAX_ZOOM = 10_000


class Viewport(Widget):
    """A chart whose `view` and `cursor` can be moved; `home` is the view that `reset` restores."""

    view: reactive[View] = reactive(ALL, init=False)
    cursor: reactive[float | None] = reactive(None, init=False)
    """The x at which values are read, or None."""

    lines: Sequence[Line] = ()
    home: View = ALL

    def toggle(self, option: Literal["log_y", "robust", "extremes"]) -> None:
        """Switch an option of the view on or off."""
        self.view = replace(self.view, **{option: not getattr(self.view, option)})

    def change_smoothing(self, levels: int = 1) -> None:
        level = bisect_right(SMOOTHING, self.view.smooth) - 1
        self.view = replace(self.view, smooth=SMOOTHING[min(max(level + levels, 0), len(SMOOTHING) - 1)])

    def zoom(self, factor: float) -> None:
        """Zoom in (factor > 1) or out around the cursor, or else the center."""
        whole, visible = x_axis(self.lines, self.home), x_axis(self.lines, self.view)
        if whole is None or visible is None or factor <= 0:
            return
        width = max((visible.high - visible.low) / factor, (whole.high - whole.low) / _MAX_ZOOM)
        center = (visible.low + visible.high) / 2 if self.cursor is None else self.cursor
        self._show_range(whole, center - width / 2, width)

    def pan(self, fraction: float) -> None:
        """Move right by a fraction of the visible range, or left if negative, within the data."""
        whole, visible = x_axis(self.lines, self.home), x_axis(self.lines, self.view)
        if whole is not None and visible is not None:
            width = visible.high - visible.low
            self._show_range(whole, visible.low + fraction * width, width)

    def _show_range(self, whole: Axis, start: float, width: float) -> None:
        if width >= whole.high - whole.low:
            self.view = replace(self.view, x_from=self.home.x_from, x_to=self.home.x_to)
        else:
            start = min(max(start, whole.low), whole.high - width)
            self.view = replace(self.view, x_from=start, x_to=start + width)

    def reset(self) -> None:
        self.view = self.home
        self.cursor = None

    def move_cursor(self, columns: int) -> None:
        """Move to the next data point about `columns` columns away; the first move goes to the last visible point."""
        visible = x_axis(self.lines, self.view)
        if visible is None:
            return
        column = (visible.high - visible.low) / max(self.size.width - 6, 1)
        target = visible.high if self.cursor is None else self.cursor + columns * column
        target = min(max(target, visible.low), visible.high)
        right = self.cursor is not None and columns > 0
        candidates = [x for line in self.lines if (x := _nearest_x(line, target, right)) is not None]
        candidates = [x for x in candidates if visible.low <= x <= visible.high]
        if candidates:
            self.cursor = min(candidates) if right else max(candidates)


def _nearest_x(line: Line, target: float, right: bool) -> float | None:
    """Return the line's first x from `target` on, or its last x up to there."""
    size = min(len(line.x), len(line.y))
    index = bisect_left(line.x, target, 0, size) if right else bisect_right(line.x, target, 0, size) - 1
    return line.x[index] if 0 <= index < size else None
