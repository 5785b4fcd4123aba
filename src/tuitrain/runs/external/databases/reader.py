"""Read one run of a database."""

import sqlite3
from pathlib import Path
from time import monotonic
from typing import Any

from tuitrain.runs.external.databases.snapshot import database_files, snapshot
from tuitrain.runs.external.databases.store import Facts, Store
from tuitrain.runs.external.rows import Rows
from tuitrain.runs.external.source import Ended, Series
from tuitrain.text import plain

# Seconds after its deadline at which a query is given up.
PATIENCE = 10.0
# Rows between two looks at the clock.
_SLICE = 1000
# Failures in a row until one is a problem: a database that changes while it is read can be read a moment later.
_TRIES = 3


class DatabaseReader:
    """Reads the rows that were added since the last `poll`; see `Source`."""

    host = ""

    def __init__(self, path: Path, store: Store, key: str) -> None:
        self.path, self._store, self._key = path, store, key
        self._stamp: list[tuple[int, int, int]] | None = None
        self._file = (0, 0)
        self._problem = ""
        self._failures = 0
        self._clear()

    def _clear(self) -> None:
        self._rows, self._row = Rows(), 0
        self._facts = Facts({})

    @property
    def series(self) -> dict[str, dict[str, Series]]:
        return self._rows.series

    @property
    def settings(self) -> dict[str, Any]:
        return self._facts.settings

    @property
    def ended(self) -> Ended | None:
        return self._facts.ended

    @property
    def first(self) -> float:
        return self._facts.start or self._rows.first

    @property
    def last(self) -> float:
        return max(self._rows.last, self._facts.start, self._facts.end)

    @property
    def problems(self) -> list[str]:
        return [problem for problem in (self._problem, self._rows.problem) if problem]

    @property
    def changes(self) -> object:
        return self._row, self._rows.changes, self._facts

    def poll(self, deadline: float) -> bool:
        """Read new rows until `deadline`; return whether there is more to read."""
        try:
            stats = [file.stat() for file in database_files(self.path)]
            stamp = [(status.st_ino, status.st_size, status.st_mtime_ns) for status in stats]
            if stamp == self._stamp:
                return False
            (inode, size), self._file = self._file, stamp[0][:2]
            if inode and (inode != stamp[0][0] or size > stamp[0][1]):
                self._clear()
            more = self._read(deadline)
            self._stamp = None if more else stamp
            self._problem, self._failures = "", 0
            return more
        except (sqlite3.Error, OSError) as error:
            self._failures += 1
            if self._failures < _TRIES:
                return True
            reason = getattr(error, "strerror", None) or str(error)
            self._problem = f"{plain(self.path.name, 80)} cannot be read: {plain(reason, 120)}."
            return False

    def _read(self, deadline: float) -> bool:
        with snapshot(self.path, max(deadline, monotonic()) + PATIENCE) as connection:
            self._facts = self._store.facts(connection, self._key)
            for count, (number, row) in enumerate(self._store.rows(connection, self._key, self._row), 1):
                self._rows.add(row, count)
                self._row = number
                if count % _SLICE == 0 and monotonic() > deadline:
                    return True
        return False
