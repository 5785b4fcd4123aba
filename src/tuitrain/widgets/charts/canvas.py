"""Lines on rows of cells. Alone to draw with plotext."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from rich.cells import cell_len

from tuitrain.text import plain
from tuitrain.widgets.charts.line import Line, Mark, sign
from tuitrain.widgets.charts.raster import Point, Run, braille, dots, whole
from tuitrain.widgets.terminal.colors import RGB

Cell = tuple[str, RGB | None]
Row = list[Cell]

_COLORED = re.compile(r"(?:\x1b\[38;2;(\d+);(\d+);(\d+)m)?([^\x1b]+)(?:\x1b\[0m)*")


@dataclass(frozen=True)
class Trace:
    """A line in the unit square that is what is seen: `runs` are the points that follow each other, some of them
    outside, `strokes` is what can be seen of the lines through them."""

    line: Line
    runs: list[Run]
    strokes: list[Run]


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
        cells: dict[tuple[int, int], Cell] = {}
        for (_, trace), character in zip(traces, signs, strict=True):
            columns = dots(trace.strokes, *self.dots)
            for column, row, drawn in braille(columns) if self.braille else whole(columns, character):
                cells[column, row] = (drawn, trace.line.color)
        if cells:
            self._lay(_plotted(cells, self.width, self.height))
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


@cache
def _plotext() -> Any:
    """With a figure that shows nothing but what is plotted; made anew for each picture it takes an eighth longer."""
    import plotext  # here, since it takes as long as all that is needed to start

    plotext.clear_figure()
    plotext.limitsize(False, False)
    plotext.theme("clear")
    plotext.frame(False)
    plotext.xticks([], [])
    plotext.yticks([], [])
    return plotext


def _plotted(cells: Mapping[tuple[int, int], Cell], width: int, height: int) -> list[Row]:
    """The cells, each at its column and its row from below, on rows."""
    plotext = _plotext()
    plotext.clear_data()
    plotext.plotsize(width, height)
    plotext.xlim(0, max(width - 1, 1))
    plotext.ylim(0, max(height - 1, 1))
    plotext.scatter(
        [column for column, _ in cells],
        [row for _, row in cells],
        marker=[character for character, _ in cells.values()],
        color=[color for _, color in cells.values()],
    )
    rows: list[Row] = []
    for line in plotext.build().split("\n")[:height]:
        row: Row = []
        for red, green, blue, characters in _COLORED.findall(line):
            color = (int(red), int(green), int(blue)) if red else None
            row.extend((character, color) for character in characters)
        rows.append(row)
    return rows
