"""Print the metrics of evaluations, and what their predictions add: intervals, calibration and the effect of a
threshold. Importing this module does not import NumPy, which is slow."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict

from tuitrain.analysis import units
from tuitrain.cli.output import print_line
from tuitrain.cli.table import write_table
from tuitrain.errors import RunError
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Evaluation
from tuitrain.text import plain

if TYPE_CHECKING:
    from tuitrain.runs.predictions import Predictions


def print_metrics(folder: RunFolder, evaluations: Sequence[Evaluation | None], threshold: float | None) -> None:
    """Print the metrics of each evaluation, with intervals if its predictions are stored, and the effect of
    `threshold`. Raise RunError if there are no metrics."""
    shown = [evaluation for evaluation in evaluations if evaluation is not None]
    if not any(evaluation.metrics for evaluation in shown):
        raise RunError(f"{plain(folder.id)} has no metrics.", _remedy(folder))
    from tuitrain.analysis.metrics.tables import metric_lines, title

    for number, evaluation in enumerate(shown):
        print_line("\n" * (number > 0) + title(evaluation))
        write_table(metric_lines(folder, evaluation), right=(1, 2))
        if threshold is None:
            continue
        predictions = folder.predictions_of(evaluation)
        if predictions is None:
            print_line(f"threshold {units.percent(threshold)}: unknown effect, because the predictions are not stored")
        else:
            _print_threshold(_threshold(predictions, evaluation.classes, threshold))


def _remedy(folder: RunFolder) -> str:
    if not folder.read_only:
        return f"Make them with: tuitrain evaluate {plain(folder.id)}"
    if folder.editable:
        return "A script stores predictions, and thereby metrics, with log_predictions."
    return "tuitrain reads no predictions of other tools."


def _print_threshold(found: dict[str, Any]) -> None:
    others = "" if found["accuracy"] is None else f", {units.percent(found['accuracy'])} of the others correct"
    rejected = units.percent(found["rejected"])
    print_line(f"threshold {units.percent(found['probability'])}: rejects {rejected} of the images{others}")
    rows = [
        [plain(each["class"], 20), units.percent(each["precision"]), units.percent(each["recall"])]
        for each in found["classes"]
    ]
    write_table([["class", "precision", "recall"], *rows], right=(1, 2))


def predictions_document(folder: RunFolder, evaluation: Evaluation, threshold: float | None) -> dict[str, Any]:
    """Return for JSON what the predictions of an evaluation add to its metrics; null if they are not stored."""
    predictions = folder.predictions_of(evaluation)
    if predictions is None:
        return {"intervals": None, "calibration": None, "threshold": None}
    from tuitrain.analysis.metrics.bootstrap import intervals
    from tuitrain.analysis.metrics.compute import calibration, known

    bins = (
        calibration(predictions.confidence, predictions.predicted == predictions.labels) if known(predictions) else []
    )
    return {
        "intervals": intervals(predictions),
        "calibration": [asdict(each) for each in bins],
        "threshold": None if threshold is None else _threshold(predictions, evaluation.classes, threshold),
    }


def _threshold(predictions: "Predictions", classes: Sequence[str], threshold: float) -> dict[str, Any]:
    """Return for JSON what rejecting the images whose highest probability is below `threshold` changes, for all images
    and for each class."""
    from tuitrain.analysis.metrics.thresholds import effect

    effects = [effect(predictions, threshold, label) for label in range(len(classes))]
    return {
        "probability": threshold,
        "rejected": effects[0].rejected,
        "accuracy": effects[0].accuracy,
        "classes": [
            {"class": name, "precision": found.precision, "recall": found.recall}
            for name, found in zip(classes, effects, strict=True)
        ],
    }
