"""The result of a run as a JSON document."""

from typing import Any

from msgspec.structs import replace

from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Best, Metrics, Score, State


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
        **scores(state),
    }


def scores(state: State) -> dict[str, Any]:
    """Return the scores for a JSON document, with the metrics of each evaluation under one key."""
    best = state.best
    return {
        "train": state.train,
        "validation": _without_metrics(state.validation),
        "test": _without_metrics(state.test),
        "best": best and _best_without_metrics(best),
        "metrics": {
            "validation": _metrics(state.validation),
            "test": _metrics(state.test),
            "best": best and {"validation": _metrics(best.validation), "test": _metrics(best.test)},
        },
    }


def _metrics(score: Score | None) -> Metrics | None:
    return score.metrics if score else None


def _without_metrics(score: Score | None) -> Score | None:
    return score and replace(score, metrics=None)


def _best_without_metrics(best: Best) -> Best:
    return replace(best, validation=replace(best.validation, metrics=None), test=_without_metrics(best.test))


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
