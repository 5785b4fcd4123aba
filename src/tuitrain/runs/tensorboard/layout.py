"""Where event files lie: which folder is a run, and which a part of one. Light, because every list of runs asks."""

import os
import re
from pathlib import Path

from tuitrain.runs.tensorboard.tags import PARTS

MARK = "tfevents"
# The sub-folder, named by the time, that torch's `add_hparams` writes.
_TIMESTAMP = re.compile(r"\d{9,11}(\.\d+)?")
MOST_FILES = 1000


def event_files(folder: Path) -> list[Path]:
    """In the order in which they were begun. Raises OSError."""
    with os.scandir(folder) as found:
        names = sorted(one.name for one in found if MARK in one.name and one.is_file())
    return [folder / name for name in names[:MOST_FILES]]


def part(name: str, *, beside_files: bool) -> str | None:
    """The split whose values a sub-folder of a run holds, empty for its hparams; None: it is no part of the run.

    Keras writes `train` and `validation`; torch's `add_scalars` writes `Loss_train`, beside files of the run's own.
    """
    word = name.lower()
    if word in PARTS:
        return PARTS[word]
    if beside_files and _TIMESTAMP.fullmatch(word):
        return ""
    last = word.rpartition("_")[2]
    return PARTS[last] if beside_files and last in PARTS else None
