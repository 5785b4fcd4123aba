"""The tables of trackio: one database per project."""

import sqlite3
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tuitrain.runs.external.databases.store import Facts, StoredRun, text, unique
from tuitrain.runs.external.hparams import from_values
from tuitrain.runs.external.json_text import decode, flat
from tuitrain.runs.external.rows import Row

MOST_RUNS = 1000
# How trackio writes numbers that JSON lacks.
_SPECIAL = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


class TrackioStore:
    tables = frozenset(("metrics", "configs", "system_metrics"))

    def runs(self, connection: sqlite3.Connection) -> list[StoredRun]:
        query = "SELECT run_id, run_name FROM metrics GROUP BY run_id ORDER BY min(id) DESC LIMIT ?"
        return unique([StoredRun(text(id), text(name)) for id, name in connection.execute(query, (MOST_RUNS,))])

    def facts(self, connection: sqlite3.Connection, key: str) -> Facts:
        query = "SELECT config, created_at FROM configs WHERE run_id = ? LIMIT 1"
        config, created = connection.execute(query, (key,)).fetchone() or ("{}", "")
        decoded = decode(text(config).encode())
        known = decoded.items() if isinstance(decoded, dict) else ()
        return Facts(
            from_values({name: value for name, value in known if not name.startswith("_")}), None, _time(created)
        )

    def rows(self, connection: sqlite3.Connection, key: str, after: int) -> Iterator[tuple[int, Row]]:
        query = "SELECT id, timestamp, step, metrics FROM metrics WHERE run_id = ? AND id > ? ORDER BY id"
        for id, timestamp, step, metrics in connection.execute(query, (key, after)):
            values: dict[str, float | str] = dict(flat(decode(text(metrics).encode())))
            values |= {name: _SPECIAL[value] for name, value in values.items() if value in _SPECIAL}
            values["_timestamp"] = _time(timestamp)
            if isinstance(step, int):
                values["_step"] = float(step)
            yield id, values


def _time(value: Any) -> float:
    try:
        return datetime.fromisoformat(text(value)).timestamp()
    except (ValueError, OverflowError):
        return 0.0
