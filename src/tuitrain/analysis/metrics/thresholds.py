"""What a threshold on the highest probability of an image does, and the curves of a class over all thresholds."""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from tuitrain.runs.predictions import Predictions

# Points of a curve. A terminal has fewer columns.
POINTS = 201
Floats = NDArray[np.float64]


class Effect(Struct, frozen=True):
    """The effect of rejecting the images whose highest probability is below a threshold. `rejected` is their share, and
    `accuracy` that of the others. The rest belongs to one class: rejected images count as not predicted. A value is
    None without images to count."""

    rejected: float | None
    accuracy: float | None
    precision: float | None
    recall: float | None
    false_positive_rate: float | None


class ClassCurves(Struct, frozen=True):
    """One class against the rest, when its probability alone decides: `precision` at the values of `recall`, and
    `true_positive_rate` at those of `false_positive_rate`, ascending, (P,). The areas are exact."""

    recall: Floats
    precision: Floats
    false_positive_rate: Floats
    true_positive_rate: Floats
    average_precision: float
    roc_auc: float


def effect(predictions: Predictions, threshold: float, label: int) -> Effect:
    """Return the effect of a threshold from 0 to 1; an unknown probability is below any threshold above 0."""
    accepted = np.nan_to_num(predictions.confidence) >= threshold
    true, predicted = predictions.labels == label, accepted & (predictions.predicted == label)
    hits = int((true & predicted).sum())
    correct = accepted & (predictions.predicted == predictions.labels)
    return Effect(
        rejected=_ratio(int((~accepted).sum()), len(accepted)),
        accuracy=_ratio(int(correct.sum()), int(accepted.sum())),
        precision=_ratio(hits, int(predicted.sum())),
        recall=_ratio(hits, int(true.sum())),
        false_positive_rate=_ratio(int(predicted.sum()) - hits, int((~true).sum())),
    )


def class_curves(predictions: Predictions, label: int) -> ClassCurves | None:
    """Return the curves of a class, or None if all images or none have it, or if a probability is unknown."""
    scores, true = predictions.probabilities[:, label], predictions.labels == label
    positives = int(true.sum())
    if not 0 < positives < len(true) or not np.isfinite(scores).all():
        return None
    order = np.argsort(-scores, kind="stable")
    # Images with equal probabilities pass a threshold together.
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    hits = np.cumsum(true[order])[ends]
    recall, precision = hits / positives, hits / (ends + 1)
    false = (ends + 1 - hits) / (len(true) - positives)
    steps = np.linspace(0, 1, POINTS)
    first = np.searchsorted(recall, steps - 1e-12)
    last = np.searchsorted(false, steps + 1e-12, "right") - 1
    return ClassCurves(
        recall=steps,
        precision=precision[first],
        false_positive_rate=steps,
        true_positive_rate=np.where(last < 0, 0.0, recall[last]),
        average_precision=float(np.sum(np.diff(recall, prepend=0) * precision)),
        roc_auc=float(np.trapezoid(np.append(0, recall), np.append(0, false))),
    )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
