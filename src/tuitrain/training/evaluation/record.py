"""Looking at the validation and the test split, and keeping what was seen."""

import math
import time
from collections.abc import Callable
from typing import Literal

from torch import Tensor

from tuitrain.runs.records import Best, Evaluation, Score
from tuitrain.runs.rows import Evaluated
from tuitrain.runs.writer import RunWriter
from tuitrain.training import checkpoint
from tuitrain.training.evaluation.evaluate import evaluate, worst_samples
from tuitrain.training.progress import TrainingProgress, load_weights
from tuitrain.training.setup import Setup

SplitName = Literal["validation", "test"]
Which = Literal["last", "best"]
Heartbeat = Callable[[], None]


def evaluate_split(
    setup: Setup, split: SplitName, progress: TrainingProgress, heartbeat: Heartbeat, *, which: Which = "last"
) -> Evaluation:
    """Evaluate the network as it is on the split; `heartbeat` is called after every batch."""
    data = setup.dataset.test if split == "test" else setup.dataset.validation
    assert data is not None
    classes = setup.dataset.classes
    result = evaluate(setup.model, data, setup.dataset.shape, len(classes), setup.autocast, heartbeat)
    epoch, step = (
        (progress.best.epoch, progress.best.step)
        if which == "best" and progress.best
        else (progress.epochs_begun, progress.step)
    )
    return Evaluation(
        split=split,
        checkpoint=which,
        epoch=epoch,
        step=step,
        loss=result.loss if math.isfinite(result.loss) else None,
        accuracy=result.accuracy,
        classes=list(classes),
        confusion=result.confusion.tolist(),
        worst=worst_samples(result, data, setup.dataset),
        true=_numbers(data.labels),
        predicted=_numbers(result.predicted),
    )


def _numbers(classes: Tensor) -> bytes:
    """(N,) int64 class numbers as uint16, little-endian."""
    return classes.cpu().numpy().astype("<u2").tobytes()


def _evaluate_and_save(
    setup: Setup,
    writer: RunWriter,
    split: SplitName,
    progress: TrainingProgress,
    heartbeat: Heartbeat,
    *,
    which: Which = "last",
) -> Score:
    seen = evaluate_split(setup, split, progress, heartbeat, which=which)
    writer.folder.write_evaluation(seen)
    return Score(seen.loss, seen.accuracy)


def evaluate_validation(setup: Setup, writer: RunWriter, progress: TrainingProgress, heartbeat: Heartbeat) -> bool:
    """Look at the validation split, where there is one; whether its loss is the lowest so far."""
    if setup.dataset.validation is None:
        return False
    writer.update(phase="validating")
    score = _evaluate_and_save(setup, writer, "validation", progress, heartbeat)
    better = score.loss is not None and (progress.lowest is None or score.loss < progress.lowest)
    if better:
        progress.lowest, progress.best = score.loss, Best(progress.epochs_begun, progress.step, score)
    _row(writer, "validation", progress, score, better)
    writer.update(validation=score, best=progress.best)
    return better


def evaluate_test(setup: Setup, writer: RunWriter, progress: TrainingProgress, heartbeat: Heartbeat) -> Score:
    """Look at the test split, which changes nothing but the record."""
    writer.update(phase="testing")
    score = _evaluate_and_save(setup, writer, "test", progress, heartbeat)
    _row(writer, "test", progress, score, False)
    writer.update(test=score)
    return score


def evaluate_final(setup: Setup, writer: RunWriter, progress: TrainingProgress, heartbeat: Heartbeat) -> None:
    """The end of a run: the test split with the last weights, and with the best ones where they are others."""
    last = evaluate_test(setup, writer, progress, heartbeat)
    if progress.best is None:
        return
    score = last
    if progress.best.step != progress.step:
        path = writer.folder.checkpoints / "best.safetensors"
        kept = {name: value.clone() for name, value in setup.model.state_dict().items()}
        load_weights(setup, checkpoint.load(path), path)
        try:
            score = _evaluate_and_save(setup, writer, "test", progress, heartbeat, which="best")
        finally:
            setup.model.load_state_dict(kept)
    best = progress.best
    progress.best = Best(best.epoch, best.step, best.validation, score)
    writer.update(best=progress.best, now=True)


def _row(writer: RunWriter, split: SplitName, progress: TrainingProgress, score: Score, best: bool) -> None:
    seconds = round(progress.seconds, 4)
    writer.row(
        Evaluated(split, progress.step, progress.epochs_begun, score.loss, score.accuracy, seconds, time.time(), best)
    )
