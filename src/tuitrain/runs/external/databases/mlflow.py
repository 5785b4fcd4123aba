"""The tables of MLflow's tracking database."""

import sqlite3
from collections.abc import Iterator
from math import nan
from typing import Any

from tuitrain.runs.external.databases.store import Facts, StoredRun, text, unique
from tuitrain.runs.external.hparams import from_values, number_or_text
from tuitrain.runs.external.rows import Row
from tuitrain.runs.external.source import Ended

MOST_RUNS, MOST_PARAMETERS = 1000, 300
ENDS: dict[str, Ended] = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "stopped"}


class MlflowStore:
    tables = frozenset(("experiments", "runs", "metrics", "params"))

    def runs(self, connection: sqlite3.Connection) -> list[StoredRun]:
        query = """SELECT run_uuid, experiments.name, runs.name FROM runs JOIN experiments USING (experiment_id)
                   WHERE runs.lifecycle_stage = 'active' ORDER BY start_time DESC LIMIT ?"""
        found = connection.execute(query, (MOST_RUNS,))
        return unique([StoredRun(text(id), f"{text(experiment)}/{text(name or id)}") for id, experiment, name in found])

    def facts(self, connection: sqlite3.Connection, key: str) -> Facts:
        query = "SELECT status, start_time, end_time FROM runs WHERE run_uuid = ?"
        status, start, end = connection.execute(query, (key,)).fetchone() or ("", 0, 0)
        query = "SELECT key, value FROM params WHERE run_uuid = ? LIMIT ?"
        params = connection.execute(query, (key, MOST_PARAMETERS)).fetchall()
        settings = from_values({text(name): number_or_text(text(value)) for name, value in params})
        return Facts(settings, ENDS.get(text(status)), _seconds(start), _seconds(end))

    def rows(self, connection: sqlite3.Connection, key: str, after: int) -> Iterator[tuple[int, Row]]:
        query = """SELECT rowid, key, value, timestamp, step, is_nan FROM metrics
                   WHERE run_uuid = ? AND rowid > ? ORDER BY rowid"""
        for id, name, value, timestamp, step, is_nan in connection.execute(query, (key, after)):
            if isinstance(value, (int, float)) and isinstance(step, int):
                number = nan if is_nan else float(value)
                yield id, {text(name): number, "_timestamp": _seconds(timestamp), "_step": float(step)}


def _seconds(milliseconds: Any) -> float:
    return milliseconds / 1000 if isinstance(milliseconds, (int, float)) else 0.0
