"""Entries of the runs table."""

from pathlib import Path

from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import RunInfo, Score, ShownStatus, State


def entry(name: str = "one", *assignments: str, state: State | None = None, status: ShownStatus = "finished") -> Entry:
    config = override(Config(), assignments)
    return Entry(RunFolder(Path(f"runs/{name}")), RunInfo(id=name, name=name), config, state or State(), status)


def scored(name: str, accuracy: float | None) -> Entry:
    return entry(name, state=State(test=Score(0.1, accuracy) if accuracy is not None else None))


def names(entries: list[Entry]) -> list[str]:
    return [one.info.name for one in entries]
