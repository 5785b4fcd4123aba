"""Draw lines on a grid of cells. The only module that uses plotext."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from rich.cells import cell_len

from tuitrain.text import plain
from tuitrain.widgets.charts.line import Line, Mark, sign
from tuitrain.widgets.charts.raster import Point, Run, braille_cells, character_cells, rasterize
from tuitrain.widgets.terminal.colors import RGB

Cell = tuple[str, RGB | None]
Row = list[Cell]

_COLORED = re.compile(r"(?:\x1b\[38;2;(\d+);(\d+);(\d+)m)?([^\x1b]+)(?:\x1b\[0m)*")


@dataclass(frozen=True)
class Trace:
    """A line scaled to the unit square, which is the visible area. `runs` are sequences of consecutive points, possibly
    outside; `strokes` are the visible parts of the lines through them."""

    line: Line
    runs: list[Run]
    strokes: list[Run]


class Canvas:
    """Rows of cells, top row first; a cell is a character and a color."""

    def __init__(self, width: int, height: int, braille: bool) -> None:
        self.width, self.height, self.braille = width, height, braille
        self.dots = (2 * width, 4 * height) if braille else (width, height)
        self.rows: list[Row] = [[(" ", None)] * width for _ in range(height)]

    def copy(self) -> "Canvas":
        copy = Canvas(self.width, self.height, self.braille)
        copy.rows = [list(row) for row in self.rows]
        return copy

    def cell(self, point: Point) -> tuple[int, int]:
        """Return column and row of a point in the unit square."""
        column, row = (int((dots - 1) * value + 0.5) for dots, value in zip(self.dots, point, strict=True))
        return (column // 2, self.height - 1 - row // 4) if self.braille else (column, self.height - 1 - row)

    def trace(self, traces: Sequence[tuple[int, Trace]]) -> None:
        """Draw (index, line) pairs, the last one on top, and above them isolated points and markers."""
        signs = [sign(trace.line, index, self.braille) for index, trace in traces]
        cells: dict[tuple[int, int], Cell] = {}
        for (_, trace), character in zip(traces, signs, strict=True):
            columns = rasterize(trace.strokes, *self.dots)
            for column, row, drawn in braille_cells(columns) if self.braille else character_cells(columns, character):
                cells[column, row] = (drawn, trace.line.color)
        if cells:
            self._overlay(_plot(cells, self.width, self.height))
        for (index, trace), character in zip(traces, signs, strict=True):
            isolated = [run[0] for run in trace.runs if len(run) == 1]
            self._draw_markers(isolated, "•" if character == "─" else character, trace.line.color)
            if not trace.line.joined or (self.braille and character != "─"):
                points = [point for run in trace.runs for point in run]
                self._draw_markers(points, character, trace.line.color, index if trace.line.joined else None)

    def _overlay(self, rows: list[Row]) -> None:
        for row, new in zip(self.rows, rows, strict=True):
            for column, cell in enumerate(new):
                if cell[1] is not None:
                    row[column] = cell

    def _draw_markers(self, points: list[Point], character: str, color: RGB, index: int | None = None) -> None:
        """Draw the character at the points. With an `index`, thin out many points, staggered against other lines."""
        gap, next_column = 0, 0
        if index is not None and len(points) > self.width // 4:
            gap = max(self.width // 5, 6)
            next_column = (3 * index + 2) % gap
        for column, row in (self.cell((x, y)) for x, y in points if 0 <= x <= 1 and 0 <= y <= 1):
            if column >= next_column:
                self.rows[row][column] = (character, color)
                next_column = column + gap if gap else 0

    def draw_mark(self, mark: Mark, x: float | None) -> None:
        """Draw a vertical line behind everything else, with its label at the top."""
        if x is None or not 0 <= x <= 1:
            return
        column, _ = self.cell((x, 0.0))
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
    """Return plotext with a bare figure; creating the figure for each picture would take an eighth longer."""
    import plotext  # Slow to import: as long as everything else at the start.

    plotext.clear_figure()
    plotext.limitsize(False, False)
    plotext.theme("clear")
    plotext.frame(False)
    plotext.xticks([], [])
    plotext.yticks([], [])
    return plotext


def _plot(cells: Mapping[tuple[int, int], Cell], width: int, height: int) -> list[Row]:
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
