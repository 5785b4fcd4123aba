"""The result of a run as one document."""

from typing import Any

from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import State


def result(folder: RunFolder, state: State) -> dict[str, Any]:
    """What `train --json` ends with, and what `notify.command` is given; `epochs` counts whole ones."""
    return {
        "run": folder.id,
        "path": str(folder.path),
        "status": state.status,
        "reason": state.reason,
        "epochs": state.epoch,
        "steps": state.step,
        "seconds": state.seconds,
        "samples_per_second": state.samples_per_second,
        "train": state.train,
        "validation": state.validation,
        "test": state.test,
        "best": state.best,
    }


def metric(state: State | None, name: str) -> float | None:
    """`validation.accuracy`, `train.loss`, `test.accuracy` …, the validation's where its loss was lowest; None where
    the run has none, or failed."""
    if state is None or state.status == "failed":
        return None
    split, _, what = name.partition(".")
    if split == "validation":
        score = state.best.validation if state.best else None
    else:
        score = state.train if split == "train" else state.test
    value: float | None = getattr(score, what, None)
    return value
