"""The accuracy of a run on corrupted images, stored as `evaluation/robustness.json`."""

import os
from pathlib import Path
from statistics import fmean
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from tuitrain.errors import RunError
from tuitrain.runs.files import read_json
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Accuracy, CheckpointName, Count, SplitName, State

CorruptionName = Literal["noise", "blur", "brightness", "jpeg"]
FILE = "robustness.json"
STRENGTHS = 5


class Robustness(Struct, frozen=True, kw_only=True):
    """The accuracy of a checkpoint on the images of a split: `clean`, and `corrupted` at strengths 1 to 5. `benchmark`
    names the source of the severities. `fingerprint` is that of the split."""

    split: SplitName
    checkpoint: CheckpointName
    epoch: Count
    step: Count
    images: Count
    fingerprint: str
    benchmark: Literal["CIFAR-10-C", "Tiny ImageNet-C", "ImageNet-C"]
    clean: Accuracy
    corrupted: Annotated[
        dict[CorruptionName, tuple[Accuracy, Accuracy, Accuracy, Accuracy, Accuracy]], Meta(min_length=1)
    ]

    @property
    def mean(self) -> float:
        """The mean accuracy over all corruptions and strengths."""
        return fmean(map(fmean, self.corrupted.values()))

    def is_current(self, state: State) -> bool:
        """Return whether the run still has the weights that were evaluated."""
        best = state.best if self.checkpoint == "best" else None
        return self.step == (best.step if best else state.step)


def read_robustness(folder: RunFolder) -> dict[SplitName, Robustness]:
    """Return what is stored for each split. Raise RunError if the file is damaged."""
    path = robustness_file(folder)
    if not os.path.lexists(path):
        return {}
    found = read_json(path, dict[SplitName, Robustness])
    if any(record.split != split for split, record in found.items()):
        raise RunError(f"{path.name} is damaged: a record is that of another split.")
    return found


def write_robustness(folder: RunFolder, record: Robustness) -> None:
    """Store a record, and keep those of other splits. Raises OSError."""
    try:
        others = read_robustness(folder)
    except RunError:
        others = {}
    content = msgspec.json.encode(others | {record.split: record})
    folder.write_in_evaluations(FILE, msgspec.json.format(content) + b"\n")


def robustness_file(folder: RunFolder) -> Path:
    return folder.evaluations / FILE
