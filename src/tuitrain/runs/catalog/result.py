"""The result of a run as a JSON document."""

from typing import Any

from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import State


def result(folder: RunFolder, state: State) -> dict[str, Any]:
    """Return the document that `train --json` prints and `notify.command` receives; see docs/command-line.md."""
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
    """Return a metric such as `validation.accuracy`, `validation.macro-f1`, `train.loss` or `best-test.accuracy`.

    `validation` and `best-test` are those of the best epoch by `training.best`. None if the run failed or does not have
    the metric.
    """
    if state is None or state.status == "failed":
        return None
    split, _, metric_name = name.partition(".")
    best = state.best
    if metric_name not in ("loss", "accuracy"):
        return best.value if best and best.metric == metric_name else None
    scores = {
        "train": state.train,
        "validation": best.validation if best else None,
        "test": state.test,
        "best-test": best.test if best else None,
    }
    value: float | None = getattr(scores[split], metric_name, None)
    return value
