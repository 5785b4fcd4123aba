import pytest

from tuitrain.runs.records import Evaluation
from tuitrain.training.evaluation.goals import goal_value


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
