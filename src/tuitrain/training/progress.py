"""Count how far a run has come, and save or restore everything that the rest of it depends on."""

from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from tuitrain.errors import RunError
from tuitrain.runs.records import Best
from tuitrain.text import plain
from tuitrain.training import checkpoint
from tuitrain.training.metrics import RunningMetrics
from tuitrain.training.setup import Setup


@dataclass
class TrainingProgress:
    """The counters of a run. The field names are those of the checkpoint file."""

    # The base learning rate and the number of epochs; commands may have changed the configured ones.
    lr: float
    epochs: int
    # Completed epochs, mini-batches of the current epoch, and optimizer steps of the whole run.
    epoch: int = 0
    batch: int = 0
    step: int = 0
    # Training images of the whole run, and seconds spent on training alone.
    samples: int = 0
    seconds: float = 0.0
    # Of the current epoch, from the written rows: loss summed over images, correct predictions, images.
    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0
    # Lowest validation loss, and epochs without a lower one: for early stopping, and since the last learning-rate drop.
    lowest: float | None = None
    since_lowest: int = 0
    # The schedule spans the steps from the first to the end of an epoch; None: of the last one.
    schedule_start: int = 0
    schedule_end: int | None = None
    drops: int = 0
    since_drop: int = 0
    best: Best | None = None
    # Why training ends before its last epoch; empty while it does not.
    over: str = ""

    @property
    def epochs_begun(self) -> int:
        """Completed epochs, plus one if the current epoch has begun."""
        return self.epoch + (self.batch > 0)


def checkpoint_state(setup: Setup, progress: TrainingProgress, metrics: RunningMetrics) -> checkpoint.State:
    return {
        "model": setup.model.state_dict(),
        "optimizer": setup.optimizer.state_dict(),
        "scaler": setup.scaler.state_dict(),
        "rng": checkpoint.rng_state(setup.device),
        "window": metrics.state_dict(),
        "progress": msgspec.to_builtins(asdict(progress)),
    }


def restore_checkpoint(path: Path, setup: Setup, progress: TrainingProgress, metrics: RunningMetrics) -> None:
    """Load what `checkpoint_state` returned. Raises RunError if the file is damaged or from another model."""
    state = checkpoint.load(path)
    checkpoint.load_weights(setup.model, state, path)
    try:
        setup.optimizer.load_state_dict(state["optimizer"])
        if setup.scaler.is_enabled():
            setup.scaler.load_state_dict(state["scaler"])
        metrics.load_state_dict(state["window"])
        for name, value in state["progress"].items():
            setattr(progress, name, msgspec.convert(value, Best | None) if name == "best" else value)
        checkpoint.set_rng_state(state["rng"], setup.device)
    except (KeyError, ValueError, TypeError, RuntimeError, AttributeError, msgspec.ValidationError) as error:
        raise RunError(f"The checkpoint {path.name} does not fit this run: {plain(error, 120)}.") from None
