"""Confidence intervals of metrics by the percentile bootstrap over images (Efron 1979)."""

import numpy as np
from numpy.typing import NDArray

from tuitrain.analysis.metrics.compute import BINS, bin_index, known, log_losses, mean_f1, mean_recall
from tuitrain.analysis.metrics.proportion import LEVEL, Interval, accuracy_interval
from tuitrain.runs.predictions import Predictions

RESAMPLES = 1000
Values = dict[str, float | None]


def intervals(predictions: Predictions, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Interval]:
    """Return the interval that contains `LEVEL` of the values of resampled images, for balanced accuracy, macro-F1 and,
    if all probabilities are known, log loss and ECE, and the `accuracy_interval`. The same predictions always give the
    same values; without images there are none."""
    images = len(predictions.labels)
    correct = int((predictions.labels == predictions.predicted).sum())
    if (accuracy := accuracy_interval(correct, images)) is None:
        return {}
    statistics, rng = _Statistics(predictions), np.random.default_rng(seed)
    drawn = [statistics.values(np.bincount(rng.integers(images, size=images), minlength=images))
             for _ in range(resamples)]  # fmt: skip
    ends = (1 - LEVEL) / 2, (1 + LEVEL) / 2
    return {"accuracy": accuracy} | {
        name: Interval(*map(float, np.quantile([values[name] for values in drawn], ends)))
        for name, first in drawn[0].items()
        if first is not None
    }


class _Statistics:
    """The metrics of resampled images, from what is known of each image."""

    def __init__(self, predictions: Predictions) -> None:
        self._labels, self._predicted = predictions.labels, predictions.predicted
        self._classes = predictions.rounded.shape[1]
        self._correct = self._labels == self._predicted
        self._known = known(predictions)
        if self._known:
            confidence = predictions.confidence
            self._losses, self._bins = log_losses(predictions), bin_index(confidence)
            self._excess = confidence.astype(np.float64) - self._correct

    def values(self, weights: NDArray[np.int64]) -> Values:
        """Return the metrics; `weights` (N,) count how often each image was drawn."""
        images = float(weights.sum())
        hits = np.bincount(self._labels, weights * self._correct, self._classes)
        true = np.bincount(self._labels, weights, self._classes)
        predicted = np.bincount(self._predicted, weights, self._classes)
        gaps = np.bincount(self._bins, weights * self._excess, BINS) if self._known else None
        return {
            "balanced_accuracy": mean_recall(hits, true),
            "macro_f1": mean_f1(hits, true, predicted),
            "log_loss": float(weights @ self._losses) / images if self._known else None,
            "ece": float(np.abs(gaps).sum()) / images if gaps is not None else None,
        }
