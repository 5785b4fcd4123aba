"""Evaluate the validation and test splits during a run, and record the results in its folder."""

import math
from collections.abc import Callable
from typing import NamedTuple

from msgspec import structs
from torch import Tensor

from tuitrain.analysis.metrics.compute import metrics
from tuitrain.errors import RunError
from tuitrain.runs.predictions import Predictions
from tuitrain.runs.records import Best, CheckpointName, Evaluation, Score, SplitName
from tuitrain.runs.rows import Evaluated
from tuitrain.runs.writer import RunWriter
from tuitrain.training import checkpoint
from tuitrain.training.distributed.evaluation import evaluate_together
from tuitrain.training.evaluation.baselines import record_baselines
from tuitrain.training.evaluation.evaluate import evaluate, image_names, worst_samples
from tuitrain.training.evaluation.goals import goal_value
from tuitrain.training.progress import TrainingProgress
from tuitrain.training.setup import Setup

Heartbeat = Callable[[], None]


def evaluate_split(
    setup: Setup, split: SplitName, progress: TrainingProgress, heartbeat: Heartbeat, which: CheckpointName = "last"
) -> tuple[Evaluation, Predictions]:
    """Evaluate the model's current weights, which are those of the checkpoint `which`."""
    data = setup.dataset.test if split == "test" else setup.dataset.validation
    assert data is not None
    classes = setup.dataset.classes
    if setup.group is not None:
        result = evaluate_together(setup, setup.group, split, heartbeat)
    else:
        shape = setup.dataset.shape
        result = evaluate(setup.forward, data, setup.normalize, shape, len(classes), setup.autocast, heartbeat)
    best = progress.best if which == "best" else None
    step = best.step if best else progress.step
    labels = data.labels.cpu().numpy()
    predictions = Predictions(labels, result.rounded, image_names(data, setup.dataset), step)
    evaluation = Evaluation(
        split=split,
        checkpoint=which,
        epoch=best.epoch if best else progress.epochs_begun,
        step=step,
        loss=result.loss if math.isfinite(result.loss) else None,
        accuracy=result.accuracy,
        classes=list(classes),
        confusion=result.confusion.tolist(),
        worst=worst_samples(result, data, setup.dataset),
        true=_to_bytes(data.labels),
        predicted=_to_bytes(result.predicted),
        fingerprint=data.fingerprint,
        metrics=metrics(predictions),
    )
    return evaluation, predictions


def _to_bytes(classes: Tensor) -> bytes:
    """Pack class indices (N,) int64 as little-endian uint16."""
    return classes.cpu().numpy().astype("<u2").tobytes()


class Verdict(NamedTuple):
    """The `value` of `training.best` after an epoch, None without a validation split or if the loss is not finite.
    `is_best`: it is the best so far; `improves`: by more than `training.min_delta`."""

    value: float | None = None
    is_best: bool = False
    improves: bool = False


def evaluate_validation(setup: Setup, writer: RunWriter, progress: TrainingProgress, heartbeat: Heartbeat) -> Verdict:
    """Evaluate the validation split, if any, after an epoch, and keep the best result in `progress`."""
    if setup.dataset.validation is None:
        return Verdict()
    writer.update(phase="validating")
    with setup.averaged():
        evaluation, predictions = evaluate_split(setup, "validation", progress, heartbeat)
    score, goal = _save(writer, evaluation, predictions), setup.config.training.best
    value, is_best, improves = goal_value(evaluation, goal), False, False
    if value is not None:
        result = value if goal == "loss" else -value
        is_best, improves = progress.judge(result, setup.config.training.min_delta)
    if is_best:
        progress.best = Best(progress.epochs_begun, progress.step, score, metric=goal, value=value)
    _write_row(writer, "validation", progress, score, is_best)
    writer.update(validation=score, best=progress.best)
    return Verdict(value, is_best, improves)


def evaluate_at_start(setup: Setup, writer: RunWriter, progress: TrainingProgress, heartbeat: Heartbeat) -> None:
    """Evaluate the validation split before the first step, which never counts as the best epoch."""
    writer.update(phase="validating")
    with setup.averaged():
        score = _save(writer, *evaluate_split(setup, "validation", progress, heartbeat))
    _write_row(writer, "validation", progress, score, False)
    writer.update(validation=score, now=True)


def evaluate_test(setup: Setup, writer: RunWriter, progress: TrainingProgress, heartbeat: Heartbeat) -> Score:
    """Evaluate the test split, which influences nothing."""
    writer.update(phase="testing")
    with setup.averaged():
        score = _save(writer, *evaluate_split(setup, "test", progress, heartbeat))
    _write_row(writer, "test", progress, score, False)
    writer.update(test=score)
    return score


def evaluate_final(setup: Setup, writer: RunWriter, progress: TrainingProgress, heartbeat: Heartbeat) -> None:
    """Evaluate the test split with the last weights and, if they differ, both splits with those of the best epoch."""
    record_baselines(setup.dataset, writer)
    score = evaluate_test(setup, writer, progress, heartbeat)
    best = progress.best
    if best is None:
        return
    if best.step != progress.step:
        path = writer.folder.checkpoints / "best.safetensors"
        last_weights = {name: value.clone() for name, value in setup.model.state_dict().items()}
        try:
            checkpoint.load_weights(setup.model, checkpoint.load(path), path)
            _save(writer, *evaluate_split(setup, "validation", progress, heartbeat, "best"))
            score = _save(writer, *evaluate_split(setup, "test", progress, heartbeat, "best"))
        except RunError as error:
            # The training itself is complete.
            writer.log(f"the best weights cannot be tested: {error}")
            return
        finally:
            setup.model.load_state_dict(last_weights)
    progress.best = structs.replace(best, test=score)
    writer.update(best=progress.best, now=True)


def _save(writer: RunWriter, evaluation: Evaluation, predictions: Predictions) -> Score:
    if not writer.folder.write_evaluation(evaluation, predictions):
        writer.log(f"the probabilities of the {evaluation.split} split are too large to store")
    return Score(evaluation.loss, evaluation.accuracy, evaluation.metrics)


def _write_row(writer: RunWriter, split: SplitName, progress: TrainingProgress, score: Score, is_best: bool) -> None:
    seconds = round(progress.seconds, 4)
    epoch, step = progress.epochs_begun, progress.step
    writer.row(Evaluated(split, step, epoch, score.loss, score.accuracy, seconds, writer.now(), is_best))
