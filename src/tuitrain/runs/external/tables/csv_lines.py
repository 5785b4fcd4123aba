"""Parse the lines of a CSV file whose first line is a header."""

import csv
from collections.abc import Iterator

from tuitrain.runs.external.rows import EPOCH, MOST_TAGS, STEPS, Row
from tuitrain.runs.external.tags import place
from tuitrain.text import plain

_SEPARATORS = ",;\t"


class CsvLines:
    """Converts lines to rows; empty cells are left out. `problem` describes the first damaged line."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.problem = ""
        self._separator = ","
        self._header: list[str] = []

    def rows(self, lines: list[bytes], first: int) -> Iterator[tuple[int, Row]]:
        """Yield the number and the values of each row. `first` is the number of the first line, counted from 0."""
        for number, line in enumerate(lines, first):
            text = line.decode("utf-8-sig" if number == 0 else "utf-8", "replace").strip("\r")
            cells = self._cells(text)
            if not self._header:
                self._header = cells
                self.names = cells[:MOST_TAGS]
            elif cells and cells != self._header:
                if len(cells) != len(self._header) and not self.problem:
                    self.problem = f"Line {number + 1:,} has {len(cells):,} instead of {len(self._header):,} cells."
                if len(cells) == len(self._header):
                    yield number, self._row(cells, number)

    def _cells(self, text: str) -> list[str]:
        if not self._header:
            self._separator = max(_SEPARATORS, key=text.count)
        try:
            return [cell.strip() for cell in next(csv.reader([text], delimiter=self._separator), [])]
        except csv.Error:
            return [text]

    def _row(self, cells: list[str], number: int) -> Row:
        row: dict[str, float | str] = {}
        for name, cell in zip(self.names, cells, strict=False):
            if not cell:
                continue
            try:
                row[name] = float(cell)
            except ValueError:
                row[name] = cell
                if not self.problem and (name.lower() in (*STEPS, EPOCH) or place(name, "")):
                    self.problem = f"Line {number + 1:,} has {plain(cell, 40)!r} as {plain(name, 40)}, not a number."
        return row
