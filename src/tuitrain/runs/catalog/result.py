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
    """`validation.accuracy`, `train.loss`, `test.accuracy`, `best-test.accuracy` …, the first and the last where the
    validation loss was lowest; None where the run has none, or failed."""
    if state is None or state.status == "failed":
        return None
    split, _, what = name.partition(".")
    best = state.best
    scores = {
        "train": state.train,
        "validation": best.validation if best else None,
        "test": state.test,
        "best-test": best.test if best else None,
    }
    value: float | None = getattr(scores[split], what, None)
    return value
