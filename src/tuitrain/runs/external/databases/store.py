"""What tuitrain asks the database of a tool."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from tuitrain.runs.external.rows import Row
from tuitrain.runs.external.source import Ended


class StoredRun(NamedTuple):
    """A run in a database: its key there, and its name, of parts separated by slashes."""

    key: str
    name: str


class Facts(NamedTuple):
    """What a database says about a run besides its metrics. Times are 0 if they are unknown."""

    settings: dict[str, Any]
    ended: Ended | None = None
    start: float = 0.0
    end: float = 0.0


class Store(Protocol):
    """The tables of one tool. All methods raise sqlite3.Error."""

    tables: frozenset[str]

    def runs(self, connection: sqlite3.Connection) -> list[StoredRun]:
        """Return all runs, newest first."""

    def facts(self, connection: sqlite3.Connection, key: str) -> Facts: ...

    def rows(self, connection: sqlite3.Connection, key: str, after: int) -> Iterator[tuple[int, Row]]:
        """Yield the rows of metrics after the row with the number `after`, each with its number, ascending."""


def text(value: Any) -> str:
    """Return the text of a column, which SQLite may store as bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def unique(found: Sequence[StoredRun]) -> list[StoredRun]:
    """Append a part of their keys to names that occur twice."""
    names = [run.name for run in found]
    return [run if names.count(run.name) == 1 else StoredRun(run.key, f"{run.name}-{run.key[:6]}") for run in found]
