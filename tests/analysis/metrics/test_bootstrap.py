"""Bootstrap intervals: stable, right for known cases, and of the same metrics as `metrics`."""

import numpy as np
import pytest

from tuitrain.analysis.metrics.bootstrap import _Statistics, intervals
from tuitrain.analysis.metrics.compute import metrics
from tuitrain.runs.predictions import Predictions


def drawn(images: int, classes: int = 4, seed: int = 1) -> Predictions:
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=images)
    logits = rng.normal(size=(images, classes)) * 2
    logits[np.arange(images), labels] += 2
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return Predictions(labels, probabilities.astype(np.float16), tuple(map(str, range(images))))


def test_each_image_once_has_the_metrics_of_the_images() -> None:
    given = drawn(300)
    expected = metrics(given)
    values = _Statistics(given).values(np.ones(300, np.int64))
    for name in ("balanced_accuracy", "macro_f1", "log_loss", "ece"):
        assert values[name] == pytest.approx(getattr(expected, name))


def test_a_weight_counts_an_image_as_often() -> None:
    given = drawn(50)
    weights = np.random.default_rng(2).integers(3, size=50)
    repeated = np.repeat(np.arange(50), weights)
    expected = metrics(Predictions(given.labels[repeated], given.rounded[repeated], ()))
    for name in ("balanced_accuracy", "macro_f1", "log_loss", "ece"):
        assert _Statistics(given).values(weights)[name] == pytest.approx(getattr(expected, name))


def test_the_interval_of_an_accuracy_is_that_of_a_proportion() -> None:
    given = drawn(2000)
    accuracy = float(np.mean(given.predicted == given.labels))
    found = intervals(given)["accuracy"]
    half = 1.96 * (accuracy * (1 - accuracy) / 2000) ** 0.5
    assert (found.low, found.high) == pytest.approx((accuracy - half, accuracy + half), abs=half / 5)


def test_the_same_predictions_have_the_same_intervals() -> None:
    given = drawn(100)
    assert intervals(given, 50) == intervals(drawn(100), 50)
    assert intervals(given, 50) != intervals(given, 50, seed=1)


def test_what_is_unknown_has_no_interval() -> None:
    given = drawn(20)
    given.rounded[3] = np.nan
    assert set(intervals(given, 10)) == {"accuracy", "balanced_accuracy", "macro_f1"}
    assert intervals(Predictions(given.labels[:0], given.rounded[:0], ())) == {}


def test_the_intervals_are_those_of_a_plain_script() -> None:
    """Draw images with replacement, compute each metric from its definition, and take the percentiles."""
    given, resamples = drawn(200), 200
    rng, values = np.random.default_rng(0), []
    for _ in range(resamples):
        chosen = rng.integers(200, size=200)
        labels, probabilities = given.labels[chosen], given.probabilities[chosen].astype(np.float64)
        predicted, confidence = probabilities.argmax(1), probabilities.max(1)
        correct = predicted == labels
        recalls, f1s = [], []
        for label in range(4):
            hits = np.sum(correct & (labels == label))
            recalls.append(hits / np.sum(labels == label))
            f1s.append(2 * hits / (np.sum(labels == label) + np.sum(predicted == label)))
        gaps = []
        for upper in range(1, 16):
            inside = (confidence > (upper - 1) / 15) & (confidence <= upper / 15)
            if inside.any():
                gaps.append(inside.mean() * abs(correct[inside].mean() - confidence[inside].mean()))
        loss = -np.log(probabilities[np.arange(200), labels]).mean()
        values.append((np.mean(recalls), np.mean(f1s), loss, sum(gaps)))
    low, high = np.quantile(values, (0.025, 0.975), axis=0)
    found = intervals(given, resamples)
    for name, *ends in zip(("balanced_accuracy", "macro_f1", "log_loss", "ece"), low, high, strict=True):
        assert [found[name].low, found[name].high] == pytest.approx(ends)
