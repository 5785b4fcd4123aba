"""Compute the metrics that `training.best` can name from a confusion matrix, as scikit-learn does."""

import torch
from torch import Tensor

from tuitrain.config.schema import Goal
from tuitrain.runs.records import Evaluation


def goal_value(evaluation: Evaluation, goal: Goal) -> float | None:
    """Return the metric `goal` of an evaluation. Return None if its loss is not finite: such weights never count as
    the best."""
    if evaluation.loss is None or goal == "loss":
        return evaluation.loss
    if goal == "accuracy":
        return evaluation.accuracy
    confusion = torch.tensor(evaluation.confusion, dtype=torch.float64)
    return macro_f1(confusion) if goal == "macro-f1" else balanced_accuracy(confusion)


def macro_f1(confusion: Tensor) -> float:
    """Return the mean F1 of the classes with images or predictions, from `confusion` (K, K) float64, [true, predicted].
    It equals `f1_score(average="macro", zero_division=0)`."""
    relevant = confusion.sum(0) + confusion.sum(1)
    scores = 2 * confusion.diagonal()[relevant > 0] / relevant[relevant > 0]
    return scores.mean().item()


def balanced_accuracy(confusion: Tensor) -> float:
    """Return the mean recall of the classes with images, from `confusion` (K, K) float64, [true, predicted]. It equals
    `balanced_accuracy_score`."""
    images = confusion.sum(1)
    return (confusion.diagonal()[images > 0] / images[images > 0]).mean().item()
