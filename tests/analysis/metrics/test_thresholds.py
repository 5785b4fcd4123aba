"""Curves equal scikit-learn's; thresholds count as their definition says."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from tuitrain.analysis.metrics.thresholds import Effect, class_curves, effect
from tuitrain.runs.predictions import Predictions


def drawn(seed: int, images: int = 200) -> Predictions:
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=images)
    logits = rng.normal(size=(images, 3)).round(seed % 2 + 1)
    logits[np.arange(images), labels] += 1
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return Predictions(labels, probabilities.astype(np.float16), tuple(map(str, range(images))))


@pytest.mark.parametrize("seed", range(6))
def test_curves_are_those_of_scikit_learn(seed: int) -> None:
    given = drawn(seed)
    true, scores = given.labels == 1, given.probabilities[:, 1]
    curves = class_curves(given, 1)
    assert curves is not None
    assert curves.roc_auc == pytest.approx(roc_auc_score(true, scores))
    assert curves.average_precision == pytest.approx(average_precision_score(true, scores))
    precision, recall, _ = precision_recall_curve(true, scores)
    # Of equal recalls, the highest threshold comes last.
    expected = [precision[np.flatnonzero(recall >= value - 1e-12)[-1]] for value in curves.recall[1:]]
    assert curves.precision[1:] == pytest.approx(expected)
    false, hits, _ = roc_curve(true, scores, drop_intermediate=False)
    expected = [hits[np.flatnonzero(false <= value + 1e-12)[-1]] for value in curves.false_positive_rate]
    assert curves.true_positive_rate == pytest.approx(expected)


def test_a_threshold_by_hand() -> None:
    """Of class 0, the first image is right, the second wrong, and the third rejected by 0.6."""
    rows = [[0.75, 0.25], [0.25, 0.75], [0.5, 0.5], [0.25, 0.75]]
    given = Predictions(np.array([0, 0, 0, 1]), np.array(rows, np.float16), tuple("abcd"))
    assert effect(given, 0.0, 0) == Effect(0.0, 0.75, 1.0, 2 / 3, 0.0)
    assert effect(given, 0.6, 0) == Effect(0.25, 2 / 3, 1.0, 1 / 3, 0.0)
    assert effect(given, 0.6, 1) == Effect(0.25, 2 / 3, 0.5, 1.0, 1 / 3)
    assert effect(given, 1.0, 1) == Effect(1.0, None, None, 0.0, 0.0)


def test_what_is_undefined_has_no_curve() -> None:
    given = drawn(1, 20)
    one_class = Predictions(np.zeros(20, np.int64), given.rounded, given.names)
    assert class_curves(one_class, 0) is None
    assert class_curves(one_class, 1) is None
    given.rounded[3] = np.nan
    assert class_curves(given, 1) is None
    assert effect(given, 0.01, 1).rejected == 1 / 20
