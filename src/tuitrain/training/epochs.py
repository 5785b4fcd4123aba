"""React to the evaluation at the end of an epoch: early stopping, the plateau schedule and the line in the log."""

import math

from tuitrain.config.schema import Config
from tuitrain.runs.records import GOAL_TITLES, State
from tuitrain.runs.writer import RunWriter
from tuitrain.text import counted, plain
from tuitrain.training.data.splits import Split, StreamedSplit
from tuitrain.training.evaluation.record import Verdict
from tuitrain.training.progress import TrainingProgress


def apply_patience(progress: TrainingProgress, config: Config, writer: RunWriter, *, improves: bool) -> None:
    """Lower the learning rate (plateau schedule) or stop early once validation has stopped improving."""
    schedule, patience = config.schedule, config.training.patience
    progress.since_lowest = 0 if improves else progress.since_lowest + 1
    progress.since_drop = 0 if improves else progress.since_drop + 1
    reason = f"no better validation {GOAL_TITLES[config.training.best]}"
    if schedule.name == "plateau" and progress.since_drop > schedule.patience:
        progress.drops, progress.since_drop = progress.drops + 1, 0
        writer.event("drop", reason, progress.lr * schedule.gamma**progress.drops)
    if patience and progress.since_lowest >= patience:
        progress.over = f"Stopped early: {reason} for {counted(patience, 'epoch')}."


def epoch_line(progress: TrainingProgress, config: Config, state: State, verdict: Verdict) -> str:
    """Return the epoch's line in the log: `epoch 3 · train 0.0712, 98.06 % · val … · best so far by loss`."""
    line, title = f"epoch {progress.epochs_begun}", GOAL_TITLES[config.training.best]
    for name, score in (("train", state.train), ("val", state.validation)):
        if score is not None:
            loss = math.nan if score.loss is None else score.loss
            line += f" · {name} {_loss(loss)}, {100 * score.accuracy:.2f} %"
    if verdict.value is not None and config.training.best not in ("loss", "accuracy"):
        line += f", {title} {100 * verdict.value:.2f} %"
    return line + (f" · best so far by {title}" if verdict.is_best else "")


def log_replaced_images(train: Split, writer: RunWriter) -> None:
    """Log the streamed images that could not be read since the last call."""
    if isinstance(train, StreamedSplit) and (paths := train.newly_replaced()):
        names = ", ".join(plain(path, 100) for path in paths[:5]) + (", …" if len(paths) > 5 else "")
        writer.log(f"{len(paths):,} training images could not be read and were replaced by others: {names}")


def _loss(loss: float) -> str:
    return f"{loss:.1e}" if 0 < loss < 1e-3 else f"{loss:.4f}"
