"""Count how far a run has come, and save or restore everything that the rest of it depends on."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from torch import Tensor

from tuitrain.config.code import runs_python
from tuitrain.config.schema import MAX_EPOCHS
from tuitrain.errors import RunError
from tuitrain.runs.records import Best, Count
from tuitrain.text import plain
from tuitrain.training import checkpoint
from tuitrain.training.distributed.state import own_state
from tuitrain.training.fine_tuning.freeze import is_frozen
from tuitrain.training.metrics import RunningMetrics
from tuitrain.training.optim.build import load_optimizer_state
from tuitrain.training.setup import Setup

# Limits beyond any training, but far below an overflow of sums.
Seconds = Annotated[float, Meta(ge=0, le=1e12)]
Number = Annotated[float, Meta(ge=-1e300, le=1e300)]


@dataclass
class TrainingProgress:
    """The counters of a run. The field names are those of the checkpoint file."""

    # The base learning rate and the number of epochs; commands may have changed the configured ones.
    lr: Annotated[float, Meta(gt=0, le=1e300)]
    epochs: Annotated[int, Meta(ge=1, le=MAX_EPOCHS)]
    # Completed epochs, mini-batches of the current epoch, and optimizer steps of the whole run.
    epoch: Count = 0
    batch: Count = 0
    step: Count = 0
    # Training images of the whole run, and seconds spent on training alone.
    samples: Count = 0
    seconds: Seconds = 0.0
    # Of the current epoch, from the written rows: loss summed over images, correct predictions, images.
    loss_sum: Number = 0.0
    correct: Count = 0
    seen: Count = 0
    # The best validation result by `training.best`: the loss, or a score with a minus sign, so that lower is better.
    lowest: Number | None = None
    # The last result that improved on the one before it by more than `training.min_delta`; None in older checkpoints,
    # which have no such limit: `lowest`. Epochs without such an improvement: for early stopping, and, in `since_drop`,
    # since the last learning-rate drop.
    reference: Number | None = None
    since_lowest: Count = 0
    # The learning-rate schedule spans the steps from the start to the end of epoch `schedule_end`; None: of the last.
    schedule_start: Count = 0
    schedule_end: Count | None = None
    drops: Count = 0
    since_drop: Count = 0
    best: Best | None = None
    # Why training ends before its last epoch; empty while it does not.
    over: Annotated[str, Meta(max_length=1000)] = ""

    def count(self, loss_sum: float, correct: int, images: int) -> None:
        """Add a row of training metrics to the current epoch."""
        self.loss_sum += loss_sum
        self.correct += correct
        self.seen += images

    def judge(self, result: float, min_delta: float) -> tuple[bool, bool]:
        """Remember a validation result, lower is better. Return whether it is the best so far, the first of equal ones,
        and whether it improves by more than `min_delta`."""
        reference = self.lowest if self.reference is None else self.reference
        is_best, improves = (
            self.lowest is None or result < self.lowest,
            reference is None or result < reference - min_delta,
        )
        if is_best:
            self.lowest = result
        if improves:
            self.reference = result
        return is_best, improves

    @property
    def epochs_begun(self) -> int:
        """Completed epochs, plus one if the current epoch has begun."""
        return self.epoch + (self.batch > 0)


def evaluated_weights(setup: Setup) -> dict[str, Tensor]:
    """Return the weights that evaluations and exports use: the average if there is one."""
    return setup.average.state_dict() if setup.average else setup.model.state_dict()


def checkpoint_state(setup: Setup, progress: TrainingProgress, metrics: RunningMetrics) -> checkpoint.State:
    # With an average, the weights that training continues from are stored beside it.
    trained = {"trained": setup.model.state_dict()} if setup.average else {}
    return {
        "model": evaluated_weights(setup),
        **trained,
        "optimizer": setup.optimizer.state_dict(),
        "scaler": setup.scaler.state_dict(),
        "rng": checkpoint.rng_state(setup.device, of_user_code=runs_python(setup.config)),
        "window": metrics.state_dict(),
        "progress": msgspec.to_builtins(asdict(progress)),
    }


def restore_checkpoint(path: Path, setup: Setup, metrics: RunningMetrics) -> TrainingProgress:
    """Load what `checkpoint_state` returned, and return the progress. Raises RunError if the file is damaged or from
    another model."""
    state = checkpoint.load(path)
    try:
        progress = _progress(state["progress"])
        if setup.frozen and not is_frozen(setup.config, progress.epoch):
            setup.unfreeze()
        if setup.average:
            setup.average.load_state_dict(state["model"])
        checkpoint.load_weights(setup.model, {"model": state["trained"]} if setup.average else state, path)
        load_optimizer_state(setup.optimizer, setup.config.optimizer, state["optimizer"])
        if setup.scaler.is_enabled():
            setup.scaler.load_state_dict(_like(setup.scaler.state_dict(), state["scaler"]))
        own = own_state(setup, state)
        metrics.load_state_dict(own["window"])
        checkpoint.set_rng_state(own["rng"], setup.device)
    except (*checkpoint.INVALID, RuntimeError, AttributeError, ArithmeticError) as error:
        raise RunError(f"The checkpoint {path.name} does not fit this run: {plain(error, 120)}.") from None
    return progress


def _progress(saved: object) -> TrainingProgress:
    """Return the saved progress. Raises ValueError, or msgspec.ValidationError, if a part of it is impossible."""
    progress = msgspec.convert(saved, TrainingProgress)
    if progress.epoch > progress.epochs:
        raise ValueError(f"it has completed {progress.epoch} of {progress.epochs} epochs")
    if progress.correct > progress.seen:
        raise ValueError(f"{progress.correct} correct predictions of {progress.seen}")
    return progress


def _like(own: dict[str, Any], saved: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of `saved` that have the names in `own`, converted to the types there."""
    return {name: msgspec.convert(saved[name], type(value)) for name, value in own.items()}
