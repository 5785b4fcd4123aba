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
from tuitrain.training.progress import Progress, load_weights
from tuitrain.training.setup import Job

SplitName = Literal["validation", "test"]
Which = Literal["last", "best"]
Beat = Callable[[], None]


def look(job: Job, split: SplitName, at: Progress, beat: Beat, *, which: Which = "last") -> Evaluation:
    """Evaluate the network as it is on the split; `beat` is called after every batch."""
    data = job.dataset.test if split == "test" else job.dataset.validation
    assert data is not None
    classes = job.dataset.classes
    result = evaluate(job.model, data, job.dataset.shape, len(classes), job.autocast, beat)
    epoch, step = (at.best.epoch, at.best.step) if which == "best" and at.best else (at.begun, at.step)
    return Evaluation(
        split=split,
        checkpoint=which,
        epoch=epoch,
        step=step,
        loss=result.loss if math.isfinite(result.loss) else None,
        accuracy=result.accuracy,
        classes=list(classes),
        confusion=result.confusion.tolist(),
        worst=worst_samples(result, data, job.dataset),
        true=_numbers(data.labels),
        predicted=_numbers(result.predicted),
    )


def _numbers(classes: Tensor) -> bytes:
    """(N,) int64 class numbers as uint16, little-endian."""
    return classes.cpu().numpy().astype("<u2").tobytes()


def _look(job: Job, writer: RunWriter, split: SplitName, at: Progress, beat: Beat, *, which: Which = "last") -> Score:
    seen = look(job, split, at, beat, which=which)
    writer.folder.write_evaluation(seen)
    return Score(seen.loss, seen.accuracy)


def validate(job: Job, writer: RunWriter, at: Progress, beat: Beat) -> bool:
    """Look at the validation split, where there is one; whether its loss is the lowest so far."""
    if job.dataset.validation is None:
        return False
    writer.update(phase="validating")
    score = _look(job, writer, "validation", at, beat)
    better = score.loss is not None and (at.lowest is None or score.loss < at.lowest)
    if better:
        at.lowest, at.best = score.loss, Best(at.begun, at.step, score)
    _row(writer, "validation", at, score, better)
    writer.update(validation=score, best=at.best)
    return better


def test(job: Job, writer: RunWriter, at: Progress, beat: Beat) -> Score:
    """Look at the test split, which changes nothing but the record."""
    writer.update(phase="testing")
    score = _look(job, writer, "test", at, beat)
    _row(writer, "test", at, score, False)
    writer.update(test=score)
    return score


def judge(job: Job, writer: RunWriter, at: Progress, beat: Beat) -> None:
    """The end of a run: the test split with the last weights, and with the best ones where they are others."""
    last = test(job, writer, at, beat)
    if at.best is None:
        return
    score = last
    if at.best.step != at.step:
        path = writer.folder.checkpoints / "best.safetensors"
        kept = {name: value.clone() for name, value in job.model.state_dict().items()}
        load_weights(job, checkpoint.load(path), path)
        try:
            score = _look(job, writer, "test", at, beat, which="best")
        finally:
            job.model.load_state_dict(kept)
    best = at.best
    at.best = Best(best.epoch, best.step, best.validation, score)
    writer.update(best=at.best, now=True)


def _row(writer: RunWriter, split: SplitName, at: Progress, score: Score, best: bool) -> None:
    seconds = round(at.seconds, 4)
    writer.row(Evaluated(split, at.step, at.begun, score.loss, score.accuracy, seconds, time.time(), best))
