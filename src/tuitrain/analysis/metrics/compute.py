"""Metrics of predictions, equal to scikit-learn's, which takes seconds to import; see docs/metrics.md.

A confusion matrix `counts` is (K, K), indexed [true, predicted]. None is a value that is not defined.
"""

from math import isfinite, sqrt
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from tuitrain.runs.predictions import Predictions
from tuitrain.runs.records import Metrics

# Probabilities are clipped by the precision of float32 before their logarithm.
SMALLEST = float(np.finfo(np.float32).eps)
BINS = 15
Counts = NDArray[Any]


class Bin(Struct, frozen=True):
    """The images whose predicted class has a probability in one of `BINS` equal intervals: their number, the mean of
    these probabilities and the share that is classified correctly; both are 0 in an empty bin."""

    count: int
    confidence: float
    accuracy: float


def confusion_matrix(labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> Counts:
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def metrics(predictions: Predictions) -> Metrics:
    labels, classes = predictions.labels, predictions.rounded.shape[1]
    counts = confusion_matrix(labels, predictions.predicted, classes)
    areas, precisions = class_areas(predictions)
    return Metrics(
        top5_accuracy=top5_accuracy(predictions),
        balanced_accuracy=balanced_accuracy(counts),
        macro_precision=_macro(counts.diagonal(), counts.sum(0), counts),
        macro_recall=_macro(counts.diagonal(), counts.sum(1), counts),
        macro_f1=macro_f1(counts),
        weighted_f1=weighted_f1(counts),
        kappa=kappa(counts),
        mcc=mcc(counts),
        log_loss=log_loss(predictions),
        brier=brier(predictions),
        roc_auc=_mean(areas),
        average_precision=_mean(precisions),
        ece=ece(predictions),
    )


def balanced_accuracy(counts: Counts) -> float | None:
    """Return the mean recall of the classes with images, as `balanced_accuracy_score`."""
    return mean_recall(counts.diagonal(), counts.sum(1))


def mean_recall(hits: NDArray[Any], images: NDArray[Any]) -> float | None:
    """Return `balanced_accuracy` from the correct predictions and the images of each class, (K,)."""
    return _mean(hits[images > 0] / images[images > 0])


def macro_f1(counts: Counts) -> float | None:
    """Return the mean F1 of the classes with images or predictions, as `f1_score(average="macro", zero_division=0)`."""
    return mean_f1(counts.diagonal(), counts.sum(1), counts.sum(0))


def mean_f1(hits: NDArray[Any], images: NDArray[Any], predictions: NDArray[Any]) -> float | None:
    """Return `macro_f1` from the correct predictions, images and predictions of each class, (K,)."""
    whole = images + predictions
    return _mean(2 * hits[whole > 0] / whole[whole > 0])


def weighted_f1(counts: Counts) -> float | None:
    """Return the mean F1 weighted by the images of each class, as `f1_score(average="weighted", zero_division=0)`."""
    images = counts.sum(1)
    f1 = _ratio(2 * counts.diagonal(), counts.sum(0) + images)
    return _finite((f1 * images).sum() / images.sum()) if images.sum() else None


def _macro(hits: NDArray[Any], whole: NDArray[Any], counts: Counts) -> float | None:
    """Return the mean of hits / whole over the classes with images or predictions; 0 / 0 counts as 0."""
    relevant = counts.sum(0) + counts.sum(1) > 0
    return _mean(_ratio(hits, whole)[relevant])


def kappa(counts: Counts) -> float | None:
    """Return the agreement beyond chance, as `cohen_kappa_score`; None if all images have and get one class."""
    total = counts.sum()
    by_chance = float(counts.sum(0) @ counts.sum(1))
    rest = float(total) ** 2 - by_chance
    return (float(counts.trace()) * float(total) - by_chance) / rest if rest else None


def mcc(counts: Counts) -> float | None:
    """Return Matthews' correlation coefficient, as `matthews_corrcoef`: 0 if all images have or get one class."""
    true, predicted, total = counts.sum(1).astype(float), counts.sum(0).astype(float), float(counts.sum())
    if not total:
        return None
    spread = (total**2 - predicted @ predicted) * (total**2 - true @ true)
    return float((counts.trace() * total - true @ predicted) / sqrt(spread)) if spread else 0.0


def top5_accuracy(predictions: Predictions) -> float | None:
    """Return the share of images whose class is among the five most probable ones, as `top_k_accuracy_score(k=5)`; of
    equally probable classes, later ones come first."""
    probabilities, labels = predictions.probabilities, predictions.labels[:, None]
    classes = probabilities.shape[1]
    if not known(predictions):
        return None
    true = np.take_along_axis(probabilities, labels, 1)
    before = np.count_nonzero(probabilities > true, axis=1)
    tied = np.count_nonzero(probabilities == true, axis=1) > 1
    later = np.arange(classes) > labels[tied]
    before[tied] += np.count_nonzero((probabilities[tied] == true[tied]) & later, axis=1)
    return _mean(before < 5)


def log_losses(predictions: Predictions) -> NDArray[np.float64]:
    """Return the negative logarithm of the probability of the true class of each image, (N,)."""
    true = predictions.probabilities[np.arange(len(predictions.labels)), predictions.labels]
    return -np.log(np.clip(true.astype(np.float64), SMALLEST, 1 - SMALLEST))


def log_loss(predictions: Predictions) -> float | None:
    """Return the mean of `log_losses`, as `log_loss` of float32 probabilities."""
    return _mean(log_losses(predictions))


def brier(predictions: Predictions) -> float | None:
    """Return the mean squared distance of the probabilities from the true class, summed over the classes (Brier
    1950): from 0 to 2."""
    probabilities, labels = predictions.probabilities, predictions.labels
    squares = np.einsum("ij,ij->i", probabilities, probabilities, dtype=np.float64)
    return _mean(squares - 2 * probabilities[np.arange(len(labels)), labels].astype(np.float64) + 1)


def bin_index(confidence: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the bins (N,) of the probabilities of the predicted classes; the upper end belongs to a bin."""
    return np.clip(np.ceil(confidence.astype(np.float64) * BINS).astype(np.int64) - 1, 0, BINS - 1)


def calibration(confidence: NDArray[np.float32], correct: NDArray[np.bool_]) -> list[Bin]:
    """Return `BINS` bins of the probabilities (N,) of the predicted classes; `correct` (N,) says which are right."""
    index = bin_index(confidence)
    counts = np.bincount(index, minlength=BINS)
    means = (_ratio(np.bincount(index, values, BINS), counts) for values in (confidence, correct))
    return [Bin(int(count), float(p), float(share)) for count, p, share in zip(counts, *means, strict=True)]


def ece(predictions: Predictions) -> float | None:
    """Return the expected calibration error: the mean distance of confidence and accuracy over `calibration`, weighted
    by the images of each bin (Guo et al. 2017)."""
    if not known(predictions):
        return None
    bins = calibration(predictions.confidence, predictions.predicted == predictions.labels)
    images = len(predictions.labels)
    return sum(one.count * abs(one.confidence - one.accuracy) for one in bins) / images if images else None


def class_areas(predictions: Predictions) -> tuple[list[float], list[float]]:
    """Return the area under the ROC curve and the average precision of one class against the rest, of each class for
    which it is defined: some images have the class and, for the first, some do not. NaN if a probability is unknown."""
    areas, precisions = [], []
    images = len(predictions.labels)
    for label, positives in enumerate(_positives(predictions)):
        count = len(positives)
        if not count:
            continue
        scores = np.sort(predictions.probabilities[:, label])
        all_below, below = np.searchsorted(scores, positives), np.searchsorted(positives, positives)
        all_equal = np.searchsorted(scores, positives, "right") - all_below
        equal = np.searchsorted(positives, positives, "right") - below
        precisions.append(float(np.mean((count - below) / (images - all_below))))
        if count < images:
            lower = (all_below - below) + (all_equal - equal) / 2
            areas.append(float(lower.sum()) / (count * (images - count)))
    if not known(predictions):
        return [np.nan], [np.nan]
    return areas, precisions


def _positives(predictions: Predictions) -> list[NDArray[np.float32]]:
    """Return for each class the ascending probabilities of this class for its images."""
    labels, probabilities = predictions.labels, predictions.probabilities
    order = labels.argsort(kind="stable")
    values = probabilities[order, labels[order]]
    ends = np.searchsorted(labels[order], np.arange(1, probabilities.shape[1]))
    return [np.sort(part) for part in np.split(values, ends)]


def known(predictions: Predictions) -> bool:
    """Return whether the output of the network was finite for every image."""
    return bool(np.isfinite(predictions.probabilities[:, 0]).all())


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    ratio: NDArray[np.float64] = part / np.maximum(whole, 1)
    return ratio


def _mean(values: Any) -> float | None:
    return _finite(np.mean(values, dtype=np.float64)) if len(values) else None


def _finite(value: Any) -> float | None:
    return float(value) if isfinite(value) else None
