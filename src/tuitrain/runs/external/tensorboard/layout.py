"""Recognize folders with event files, and tell runs from parts of a run. Listing runs imports this module only."""

import os
import re
from pathlib import Path

from tuitrain.runs.external.tags import PARTS

MARK = "tfevents"
# torch's `add_hparams` writes a subfolder named after the time.
_TIMESTAMP = re.compile(r"\d{9,11}(\.\d+)?")
MOST_FILES = 1000
# The host in `events.out.tfevents.1700000000.HOST.123.0`.
_HOST = re.compile(r"tfevents\.\d+\.(.+?)(?:\.\d+)*(?:\.v2)?$")


def event_files(folder: Path) -> list[Path]:
    """Return the event files of a folder, oldest first. Raises OSError."""
    with os.scandir(folder) as items:
        names = sorted(item.name for item in items if MARK in item.name and item.is_file())
    return [folder / name for name in names[:MOST_FILES]]


def part(name: str, *, beside_files: bool) -> str | None:
    """Return the split that a subfolder of a run belongs to, empty for hparams, None if it is not part of the run.

    Keras writes `train` and `validation`; torch's `add_scalars` writes `Loss_train`, next to the event files of the
    run.
    """
    word = name.lower()
    if word in PARTS:
        return PARTS[word]
    if beside_files and _TIMESTAMP.fullmatch(word):
        return ""
    last = word.rpartition("_")[2]
    return PARTS[last] if beside_files and last in PARTS else None


def host(name: str) -> str:
    """Return the host in the name of an event file, or an empty string."""
    found = _HOST.search(name)
    return found[1] if found else ""
