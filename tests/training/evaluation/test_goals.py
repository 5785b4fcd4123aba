import random
import warnings

import pytest
import torch

from tuitrain.runs.records import Evaluation
from tuitrain.training.evaluation.goals import balanced_accuracy, goal_value, macro_f1


@pytest.mark.parametrize("seed", range(25))
def test_scores_are_those_of_scikit_learn(seed: int) -> None:
    """Some classes have no images, some are never predicted, some are neither."""
    from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score

    rng = random.Random(seed)
    size = rng.randint(2, 12)
    true = rng.choices(rng.sample(range(size), rng.randint(1, size)), k=rng.randint(1, 200))
    guesses = rng.sample(range(size), rng.randint(1, size))
    predicted = [label if rng.random() < 0.6 else rng.choice(guesses) for label in true]
    counts = torch.from_numpy(confusion_matrix(true, predicted, labels=list(range(size)))).double()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = balanced_accuracy_score(true, predicted)
    assert balanced_accuracy(counts) == pytest.approx(expected, rel=1e-12)
    assert macro_f1(counts) == pytest.approx(f1_score(true, predicted, average="macro", zero_division=0), rel=1e-12)


def test_values_by_hand() -> None:
    """Recalls 9/10 and 1/2; F1 of 18/20 and 2/4."""
    evaluation = Evaluation(split="validation", checkpoint="last", epoch=1, step=1, loss=0.5, accuracy=10 / 12,
                            classes=["a", "b", "c"], confusion=[[9, 1, 0], [1, 1, 0], [0, 0, 0]])  # fmt: skip
    assert goal_value(evaluation, "loss") == 0.5
    assert goal_value(evaluation, "accuracy") == 10 / 12
    assert goal_value(evaluation, "balanced-accuracy") == pytest.approx((0.9 + 0.5) / 2)
    assert goal_value(evaluation, "macro-f1") == pytest.approx((0.9 + 0.5) / 2)


@pytest.mark.parametrize("goal", ["loss", "accuracy", "macro-f1", "balanced-accuracy"])
def test_weights_without_a_finite_loss_have_no_value(goal: str) -> None:
    evaluation = Evaluation(split="validation", checkpoint="last", epoch=1, step=1, loss=None, accuracy=1.0,
                            classes=["a"], confusion=[[3]])  # fmt: skip
    assert goal_value(evaluation, goal) is None  # type: ignore[arg-type]
