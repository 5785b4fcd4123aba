"""Rows as squeue prints them, and the reason that a run records."""

from tuitrain.runs.folder import RunFolder


def reason(folder: RunFolder) -> str:
    waiting = folder.state().waiting
    assert waiting is not None
    return waiting.reason


def row(state: str = "PENDING", reason: str = "Resources", start: str = "N/A", end: str = "N/A", id: str = "12") -> str:
    return f"{id}|{state}|{reason}|{start}|n/a|{end}\n"
