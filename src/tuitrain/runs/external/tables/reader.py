"""Read a growing CSV file or JSON lines as a run."""

import os
from collections.abc import Callable, Iterator
from math import isfinite, nan
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from tuitrain.errors import RunError
from tuitrain.files import open_to_read
from tuitrain.runs.external import hparams
from tuitrain.runs.external.rows import Row, Rows
from tuitrain.runs.external.source import Series
from tuitrain.runs.files import read_lines
from tuitrain.text import plain

LONGEST_LINE = 2**20
# The bytes at the beginning of a file that show whether a tool has rewritten it, and at its end with its last row.
_BEGINNING, _END = 4096, 4096


class Lines(Protocol):
    problem: str

    def rows(self, lines: list[bytes], first: int) -> Iterator[tuple[int, Row]]: ...


class TableReader:
    """Reads one file with a row per line; see `Source`. `settings_file` is a file of YAML or JSON beside it."""

    ended = None
    host = ""

    def __init__(self, path: Path, parser: Callable[[], Lines], settings_file: Path | None) -> None:
        self.path, self._parser, self._settings_file = path, parser, settings_file
        self.settings: dict[str, Any] = {}
        self._unreadable = ""
        self._modified = 0.0
        self._clear()

    def _clear(self) -> None:
        self._rows, self._lines = Rows(), self._parser()
        self._offset = self._count = 0
        self._beginning = b""
        self._versions = getattr(self, "_versions", 0) + 1

    @property
    def series(self) -> dict[str, dict[str, Series]]:
        return self._rows.series

    @property
    def first(self) -> float:
        return self._rows.first

    @property
    def last(self) -> float:
        """The time of the newest row, or without times that of the last change of the file."""
        return self._rows.last or self._modified

    @property
    def changes(self) -> object:
        return self._versions, self._rows.changes, self._modified, len(self.settings)

    @property
    def problems(self) -> list[str]:
        damaged = self._lines.problem and f"{plain(self.path.name, 80)} is damaged: {self._lines.problem}"
        return [problem for problem in (self._unreadable, damaged, self._rows.problem) if problem]

    def poll(self, deadline: float) -> bool:
        """Read new lines until `deadline`; return whether there is more to read."""
        try:
            if self._is_rewritten():
                self._clear()
            if not self._offset:
                self._begin()
            return self._read(deadline)
        except (RunError, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            self._unreadable = f"{plain(self.path.name, 80)} cannot be read: {reason}."
            return False

    def _is_rewritten(self) -> bool:
        """Return whether the file became shorter or begins differently. Lightning rewrites the file to add a column."""
        self._modified = self.path.stat().st_mtime
        with open_to_read(self.path) as file:
            beginning = file.read(_BEGINNING)
            if os.fstat(file.fileno()).st_size < self._offset or not beginning.startswith(self._beginning):
                return True
        self._beginning = beginning[: self._offset]
        return False

    def _begin(self) -> None:
        """Find out when the run started from the duration in the last row and the time of the file."""
        if self._settings_file is not None:
            self.settings = hparams.from_yaml(self._settings_file)
        with open_to_read(self.path) as file:
            head = file.readline(LONGEST_LINE)
            file.seek(max(len(head), os.fstat(file.fileno()).st_size - _END))
            lines = file.read(_END).rpartition(b"\n")[0].split(b"\n")
        guess, parser = Rows(), self._parser()
        guess.begun = 0.0
        for _, row in parser.rows([head.rstrip(b"\n"), lines[-1]], 0):
            guess.add(row, 0)
        self._rows.begun = self._modified - guess.last if guess.last and isfinite(guess.last) else nan

    def _read(self, deadline: float) -> bool:
        while True:
            lines, offset = read_lines(self.path, self._offset, LONGEST_LINE)
            self._unreadable = ""
            if not lines:
                return False
            for number, row in self._lines.rows(lines, self._count):
                self._rows.add(row, number)
            self._offset, self._count = offset, self._count + len(lines)
            if monotonic() > deadline:
                return True
