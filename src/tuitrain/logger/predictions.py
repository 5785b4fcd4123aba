"""Store the predictions of a script as those of an evaluation."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuitrain.analysis.metrics.compute import SMALLEST, confusion_matrix, metrics
from tuitrain.errors import DataError
from tuitrain.logger.values import clean_text
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.predictions import Predictions, keep_most_probable
from tuitrain.runs.records import Evaluation, SplitName
from tuitrain.runs.scripts.records import LONGEST_NAME

MOST_CLASSES = 2**16


def store(
    folder: RunFolder, labels: Any, probabilities: Any, classes: Sequence[str], split: SplitName, at: tuple[int, int]
) -> Evaluation:
    """Write an evaluation after the epoch and step `at`, and its predictions. Raises DataError if the arrays do not fit
    each other, and OSError."""
    epoch, step = at
    names = [clean_text(name, LONGEST_NAME) for name in classes]
    true, chances = _check(_array(labels), _array(probabilities).astype(np.float64), names, split)
    predicted = chances.argmax(1).astype(np.int64)
    rounded = chances.astype(np.float16)
    keep_most_probable(rounded, predicted)
    predictions = Predictions(true, rounded, [str(number) for number in range(len(true))], step)
    losses = -np.log(np.clip(chances[np.arange(len(true)), true], SMALLEST, 1))
    evaluation = Evaluation(
        split=split,
        checkpoint="last",
        epoch=epoch,
        step=step,
        loss=float(losses.mean()),
        accuracy=float((predicted == true).mean()),
        classes=names,
        confusion=confusion_matrix(true, predicted, len(names)).tolist(),
        true=true.astype("<u2").tobytes(),
        predicted=predicted.astype("<u2").tobytes(),
        # Two scripts that evaluate the same images in the same order can be compared image by image.
        fingerprint=hashlib.sha256(true.astype("<u2").tobytes()).hexdigest()[:16],
        metrics=metrics(predictions),
    )
    folder.write_evaluation(evaluation, predictions)
    return evaluation


def _array(values: Any) -> NDArray[Any]:
    """Return a tensor, array or list as an array."""
    if hasattr(values, "detach"):
        values = values.detach().float().cpu() if values.is_floating_point() else values.detach().cpu()
    return np.asarray(values)


def _check(
    labels: NDArray[Any], probabilities: NDArray[Any], classes: list[str], split: str
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return labels and probabilities whose rows sum to 1. Raises DataError."""
    if split not in ("validation", "test"):
        raise DataError(f"split = {split!r} is not allowed: take 'validation' or 'test'.")
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or not labels.size:
        raise DataError(f"labels {labels.shape} and probabilities {probabilities.shape} must be (N,) and (N, K).")
    count = probabilities.shape[1]
    if len(classes) != count or count > MOST_CLASSES:
        raise DataError(f"there are {len(classes):,} classes, but probabilities of {count:,}.")
    true = labels.astype(np.int64)
    if (true != labels).any() or (true < 0).any() or (true >= count).any():
        raise DataError(f"labels must be whole numbers from 0 to {count - 1}.")
    sums = probabilities.sum(1, keepdims=True)
    if not np.isfinite(probabilities).all() or (probabilities < 0).any() or not (abs(sums - 1) < 0.02).all():
        raise DataError("probabilities must be from 0 to 1 with a sum of 1 per image; apply softmax to logits.")
    return true, probabilities / sums
