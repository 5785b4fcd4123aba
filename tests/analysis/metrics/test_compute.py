"""The metrics equal scikit-learn's; what is not defined is None."""

import warnings

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sk

from tuitrain.analysis.metrics import compute as ours
from tuitrain.analysis.metrics.kinds import METRIC_KINDS, mean_metrics
from tuitrain.runs.predictions import Predictions
from tuitrain.runs.records import Metrics


def predictions(labels: list[int] | NDArray[np.int64], probabilities: object) -> Predictions:
    labels = np.asarray(labels, np.int64)
    return Predictions(labels, np.asarray(probabilities, np.float16), tuple(map(str, range(len(labels)))))


def drawn(seed: int) -> Predictions:
    """Draw predictions; some classes have no images, some are never predicted, and many probabilities are equal."""
    rng = np.random.default_rng(seed)
    images, classes = int(rng.integers(1, 300)), int(rng.integers(2, 12))
    labels = rng.choice(rng.choice(classes, rng.integers(1, classes + 1), replace=False), images)
    logits = rng.normal(size=(images, classes)) * rng.choice([0.5, 3, 12])
    logits[np.arange(images), labels] += 2
    if seed % 3 == 0:
        logits = logits.round()
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    return predictions(labels, exponentials / exponentials.sum(1, keepdims=True))


def of_scikit_learn(given: Predictions) -> dict[str, float | None]:
    """Return what scikit-learn computes, by the calls that docs/metrics.md names."""
    labels, p, predicted = given.labels, given.probabilities, given.predicted
    classes = range(p.shape[1])
    one_hot = np.eye(p.shape[1])[labels]
    some, all_of_one = one_hot.any(0), one_hot.all(0)
    both = some & ~all_of_one
    kappa = sk.cohen_kappa_score(labels, predicted)
    averages = {"zero_division": 0, "average": "macro"}
    return {
        "top5_accuracy": sk.top_k_accuracy_score(labels, p, k=5, labels=classes) if len(classes) > 5 else 1.0,
        "balanced_accuracy": sk.balanced_accuracy_score(labels, predicted),
        "macro_precision": sk.precision_score(labels, predicted, **averages),
        "macro_recall": sk.recall_score(labels, predicted, **averages),
        "macro_f1": sk.f1_score(labels, predicted, **averages),
        "weighted_f1": sk.f1_score(labels, predicted, average="weighted", zero_division=0),
        "kappa": None if np.isnan(kappa) else kappa,
        "mcc": sk.matthews_corrcoef(labels, predicted),
        "log_loss": sk.log_loss(labels, p, labels=classes),
        "brier": float(((p.astype(float) - one_hot) ** 2).sum(1).mean()),
        "roc_auc": sk.roc_auc_score(one_hot[:, both], p[:, both]) if both.any() else None,
        "average_precision": sk.average_precision_score(one_hot[:, some], p[:, some]),
        "ece": ece_by_hand(given),
    }


def ece_by_hand(given: Predictions) -> float:
    top, correct = given.probabilities.max(1), given.predicted == given.labels
    total = 0.0
    for number in range(15):
        low, high = number / 15, (number + 1) / 15
        inside = [low < float(p) <= high for p in top]
        if any(inside):
            total += abs(float(correct[inside].sum()) - float(top[inside].astype(float).sum()))
    return total / len(top)


@pytest.mark.parametrize("seed", range(40))
def test_metrics_are_those_of_scikit_learn(seed: int) -> None:
    given = drawn(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = of_scikit_learn(given)
    found = msgspec.structs.asdict(ours.metrics(given))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == (None if value is None else pytest.approx(value, rel=1e-6, abs=1e-7)), name


def test_values_by_hand() -> None:
    """Two of three images are right: recalls 1/2 and 1, probabilities of the true classes 3/4, 1/4 and 1/2."""
    found = ours.metrics(predictions([0, 0, 1], [[0.75, 0.25], [0.25, 0.75], [0.5, 0.5]]))
    assert found.balanced_accuracy == 0.25  # The third image ties, and the first class wins.
    assert found.log_loss == pytest.approx(-np.log([0.75, 0.25, 0.5]).mean())
    assert found.brier == pytest.approx((2 * 0.25**2 + 2 * 0.75**2 + 2 * 0.5**2) / 3)
    assert found.roc_auc == 0.5
    assert found.ece == pytest.approx((abs(1 - 1.5) + 0.5) / 3)
    assert found.top5_accuracy == 1


def test_a_binary_problem_has_the_area_of_its_second_class() -> None:
    rng = np.random.default_rng(1)
    labels, p = rng.integers(2, size=99), rng.integers(1, 15, size=99) / 16
    given = predictions(labels, np.stack([1 - p, p], 1))
    assert ours.metrics(given).roc_auc == pytest.approx(sk.roc_auc_score(labels, given.probabilities[:, 1]))


@pytest.mark.parametrize("images", [0, 1])
def test_few_images_leave_values_undefined(images: int) -> None:
    found = ours.metrics(predictions([1] * images, np.full((images, 8), 0.125)))
    assert found.roc_auc is None
    assert found.kappa == (0 if images else None)
    if not images:
        assert found == Metrics()


def test_probabilities_that_are_not_finite_leave_only_the_metrics_of_classes() -> None:
    found = ours.metrics(predictions([0, 1], [[np.nan] * 6, [0, 1, 0, 0, 0, 0]]))
    unknown = {"top5_accuracy", "log_loss", "brier", "roc_auc", "average_precision", "ece"}
    assert {name for name, value in msgspec.structs.asdict(found).items() if value is None} == unknown
    assert found.macro_f1 == 1


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_probability_of_zero_has_a_finite_loss(value: float) -> None:
    given = predictions([0], [[value, 1 - value]])
    assert ours.log_loss(given) == pytest.approx(sk.log_loss([0], given.probabilities, labels=[0, 1]), abs=1e-6)


def test_a_diagram_of_calibration_counts_every_image() -> None:
    bins = ours.calibration(np.array([0, 1e-9, 0.06, 0.5, 1, 1], np.float32), np.array([0, 1, 1, 0, 1, 1], bool))
    assert [one.count for one in bins] == [3, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2]
    assert (bins[14].confidence, bins[14].accuracy) == (1, 1)


def test_every_metric_has_a_title() -> None:
    assert {kind.name for kind in METRIC_KINDS} == set(Metrics.__struct_fields__)


def test_the_mean_of_runs_ignores_what_is_undefined() -> None:
    mean = mean_metrics([Metrics(ece=0.1), Metrics(ece=0.3, brier=1.0), Metrics()])
    assert mean is not None
    assert mean.ece == pytest.approx(0.2)
    assert mean == Metrics(ece=mean.ece, brier=1.0)
    assert mean_metrics([]) is None
