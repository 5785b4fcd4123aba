"""Compute the metric that `training.best` names."""

import numpy as np

from tuitrain.analysis.metrics.compute import balanced_accuracy, macro_f1
from tuitrain.config.schema import Goal
from tuitrain.runs.records import Evaluation


def goal_value(evaluation: Evaluation, goal: Goal) -> float | None:
    """Return the metric `goal` of an evaluation. Return None if its loss is not finite: such weights never count as
    the best."""
    if evaluation.loss is None or goal == "loss":
        return evaluation.loss
    if goal == "accuracy":
        return evaluation.accuracy
    counts = np.array(evaluation.confusion)
    return macro_f1(counts) if goal == "macro-f1" else balanced_accuracy(counts)
